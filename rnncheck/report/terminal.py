"""The report as a terminal shows it: a table, the failures in full, and a last line that says what it means."""

import re
from collections import Counter
from collections.abc import Sequence
from math import inf

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rnncheck.core.verdict import Verdict
from rnncheck.report.model import Report, SubjectReport
from rnncheck.report.text import clean, failure_text

MARKS = {
    "holds": ("✓", "green"), "fails": ("✗", "bold red"), "errored": ("!", "bold red"), "crashed": ("☠", "bold red"),
    "hung": ("∞", "bold red"), "deviates": ("≠", "yellow"), "not_claimed": ("–", "dim"), "not_applicable": ("·", "dim"),
    "not_reached": ("?", "magenta"),
}  # fmt: skip
QUIET = ("not_claimed", "not_applicable")
RAISED = re.compile(r"\d+ more raised: see (.*)")
FEW = 3
"""Properties that are named where they share a reason; more are counted."""
MANY = 10
"""So many properties that one thing keeps from being checked are told without being asked for."""
SHOWN_FAILURES = 6
"""Failures that share a cause are told once; of the rest so many are told in full for each subject."""


def print_report(report: Report, console: Console, *, verbose: bool = False) -> None:
    """Tables first, then each failure, then the summary: the last line is the one to read."""
    for subject in report.subjects:
        console.print(subject_table(subject, verbose))
    for subject in report.subjects:
        for line in failures_of(subject):
            console.print(Text(line), soft_wrap=True)
            console.print()
    console.print(summary(report), soft_wrap=True)


def subject_table(subject: SubjectReport, verbose: bool) -> RenderableType:
    """One row a property; what does not apply or is not claimed is counted below, and listed if verbose."""
    table = Table(box=None, pad_edge=False)
    for name in ("", "property", "verdict"):
        table.add_column(name, no_wrap=True)
    for name in ("cases", "budget used"):
        table.add_column(name, no_wrap=True, justify="right")
    told = [verdict for verdict in subject.verdicts if verbose or verdict.verdict not in QUIET]
    for verdict in told if any(v.verdict != "not_reached" for v in told) else ():
        table.add_row(*_row(verdict))
    quiet = subject.count()
    notes = [f"{quiet[status]} {status.replace('_', ' ')}" for status in QUIET if quiet[status] and not verbose]
    covered = subject.coverage
    if covered.combinations:
        notes.insert(0, f"{covered.strength}-way combinations: {covered.covered} of {covered.combinations}")
    lines = ["; ".join(notes), *_reasons(told), *([] if verbose else _much_unclaimed(subject.verdicts))]
    title = Text(clean(_title(subject)), style="bold")
    below = (Padding(Text(clean(line), style="dim"), (0, 0, 0, 3)) for line in lines if line)
    return Group(title, *([table] if table.rows else []), *below, Text(""))


def _reasons(told: Sequence[Verdict]) -> list[str]:
    """Why they are not simply so or not so: lines under the table, where there is room for them; one that many share is one."""
    sharing: dict[tuple[str, str], list[str]] = {}
    culprits = sorted({one for verdict in told for one in _raised_in(verdict)})
    for verdict in told:
        if not verdict.red and verdict.reason:
            reason = f"other cases raised: see {', '.join(culprits)}" if _raised_in(verdict) else verdict.reason.splitlines()[0]
            sharing.setdefault((verdict.verdict, reason), []).append(verdict.property)
    return [
        f"{MARKS[status][0]} {', '.join(ids) if len(ids) <= FEW else f'{len(ids)} properties'}: {reason}"
        for (status, reason), ids in sharing.items()
    ]


def _much_unclaimed(verdicts: Sequence[Verdict]) -> list[str]:
    """What the subject does not offer, where that leaves many properties unchecked."""
    lacking = Counter(verdict.reason for verdict in verdicts if verdict.verdict == "not_claimed")
    many = {reason: count for reason, count in lacking.items() if count >= MANY}
    return [f"{MARKS['not_claimed'][0]} {count} properties not checked: {reason}" for reason, count in many.items()]


def _raised_in(verdict: Verdict) -> list[str]:
    """The properties that tell what was raised on other cases of a green one."""
    found = RAISED.fullmatch(verdict.reason or "")
    return found[1].split(", ") if found else []


def _title(subject: SubjectReport) -> str:
    return f"{subject.name}   {subject.extent}, {subject.seconds:.1f} s"


def _row(verdict: Verdict) -> tuple[RenderableType, ...]:
    mark, style = MARKS[verdict.verdict]
    return (
        Text(mark, style=style),
        Text(verdict.property),
        Text(verdict.verdict.replace("_", " "), style=style),
        str(verdict.cases or ""),
        used_text(verdict),
    )


def used_text(verdict: Verdict) -> str:
    """The budget used, in per cent, or as a factor where it is a large one; nothing where it cannot be measured."""
    if verdict.budget_used is None or verdict.budget_used == inf:
        return ""
    percent = 100 * verdict.budget_used
    return f"{percent:.0f} %" if percent < 1e4 else f"{verdict.budget_used:.0e} x"


def failures_of(subject: SubjectReport) -> list[str]:
    """A message for each cause (one diagnosis, one exception, or a property by itself), the most telling first."""
    causes: dict[str, list[Verdict]] = {}
    for verdict in sorted((v for v in subject.verdicts if v.red), key=_tells_little):
        causes.setdefault(_cause(verdict), []).append(verdict)
    told = [_message(subject.name, alike) for alike in causes.values()]
    hidden = len(told) - SHOWN_FAILURES
    tail = f"{hidden} more {'failure' if hidden == 1 else 'failures'} of {clean(subject.name)}: see --json, or --properties."
    return [*told[:SHOWN_FAILURES], *([tail] if hidden > 0 else [])]


def _cause(verdict: Verdict) -> str:
    raised = verdict.reason.splitlines()[0] if verdict.verdict == "errored" and verdict.reason else None
    return verdict.diagnosis or raised or verdict.property


def _message(name: str, alike: list[Verdict]) -> str:
    """The first of them in full; those that say the same by name."""
    first, *others = alike
    return "\n".join([failure_text(name, first), *([f"  likewise: {', '.join(v.property for v in others)}"] if others else [])])


def _tells_little(verdict: Verdict) -> tuple[bool, ...]:
    """False before True: a failure with a diagnosis, one with a place, any other, wrong input accepted, what was raised."""
    refusal = verdict.property.startswith("reject.")
    return verdict.verdict == "errored", refusal, verdict.diagnosis is None, verdict.location is None


def _lacking(report: Report) -> str:
    """Why a report is incomplete."""
    counted = Counter(verdict.verdict for _, verdict in report.verdicts())
    if report.stopped or report.missing:
        return report.stopped or f"no such device: {', '.join(report.missing)}"
    if report.checked or counted["not_reached"]:
        return f"{counted['not_reached']} properties were not reached"
    return "nothing was checked, for none of the chosen properties applies here and is claimed"


def _left(report: Report) -> str:
    """How many planned cases there was no time for, where there are any."""
    left = sum(subject.left for subject in report.subjects)
    return f" ({left} more were planned)" if left else ""


def summary(report: Report) -> Text:
    """The last line: what it means, in words."""
    counted = Counter(verdict.verdict for _, verdict in report.verdicts())
    cases = sum(subject.cases for subject in report.subjects)
    known = f"; {counted['deviates']} known deviations" if counted["deviates"] else ""
    lines = [clean(line) for line in (*report.mended, *report.stale)]
    if report.exit_code == 1:
        red = len(report.failures)
        lines += [f"Incomplete: {clean(report.stopped)}."] if report.stopped else []
        names = ", ".join(sorted({clean(subject.name) for subject, _ in report.failures}))
        lines.append(f"{red} of {sum(counted.values())} properties do not hold ({names}){known}. "
                     f"{counted['holds']} hold, on {cases} cases.")  # fmt: skip
        return Text("\n".join(lines), style="bold red")
    if report.exit_code == 3:
        lines.append(f"Incomplete: {_lacking(report)}. {counted['holds']} properties hold so far, on {cases} cases{known}.")
        return Text("\n".join(lines), style="bold yellow")
    lines.append(f"All that is claimed holds: {counted['holds']} properties on {cases} cases{_left(report)}{known}.")
    return Text("\n".join(lines), style="bold green")
