"""The report as a terminal shows it: on one screen, or with every verdict in tables."""

import re
import shutil
from collections.abc import Iterator, Sequence
from math import inf

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rnncheck.core.verdict import Verdict
from rnncheck.report.model import Results, SubjectReport
from rnncheck.report.screen import Line, cause_lines, screen
from rnncheck.report.summary import fixed_lines, summary_line
from rnncheck.report.text import clean, failure_text
from rnncheck.report.words import count, wrapped

MARKS = {
    "holds": ("✓", "green"), "fails": ("✗", "bold red"), "errored": ("!", "bold red"), "crashed": ("☠", "bold red"),
    "hung": ("∞", "bold red"), "deviates": ("≠", "yellow"), "warns": ("~", "yellow"), "not_claimed": ("–", "dim"),
    "not_applicable": ("·", "dim"), "not_reached": ("?", "magenta"),
}  # fmt: skip
QUIET = ("not_claimed", "not_applicable")
RAISED = re.compile(r"\d+ more raised: see (.*)")
FEW = 3
"""Properties that are named where they share a reason; more are counted."""
WIDEST = 120
"""Columns of print(report) at most, however wide the terminal is."""


def print_report(report: Results, console: Console, *, verbose: bool = False) -> None:
    """Print the report on one screen, the last line being the one to read; if verbose, every verdict in tables first."""
    for subject in report.subjects if verbose else ():
        console.print(subject_table(subject))
    for line in _in_full(report, console.width) if verbose else screen(report, console.width):
        console.print(_text(line), soft_wrap=True)


def plain(report: Results) -> str:
    """Return the report on one screen as text without styles, as wide as the terminal."""
    width = min(shutil.get_terminal_size((100, 24)).columns, WIDEST)
    return "\n".join(line.text for line in screen(report, width))


def _text(line: Line) -> Text:
    marked = len(line.text) if line.marked is None else line.marked
    return Text.assemble((line.text[:marked], line.style), line.text[marked:])


def _in_full(report: Results, width: int) -> Iterator[Line]:
    """Yield each cause, all that is known of the other verdicts with it, and the last line."""
    for subject in report.subjects:
        for cause in subject.causes:
            yield from cause_lines(subject, cause, width)
            for verdict in cause.verdicts:
                yield Line()
                told = failure_text(subject.name, verdict).splitlines()
                yield from (Line(line) for text in told for line in _broken(text, width))
            yield Line()
    yield from (Line(line) for text in [*fixed_lines(report), *map(clean, report.stale)] for line in _broken(text, width))
    text, style = summary_line(report)
    yield from (Line(line, style) for line in _broken(text, width))


def _broken(text: str, width: int) -> list[str]:
    """Return lines that break at words, indented as the first is."""
    indent = text[: len(text) - len(text.lstrip())]
    return wrapped(text.strip(), width, indent, f"{indent}  ")


def subject_table(subject: SubjectReport) -> RenderableType:
    """Return a table of every verdict, a row a property, with the reasons below."""
    table = Table(box=None, pad_edge=False)
    for name in ("", "property", "verdict"):
        table.add_column(name, no_wrap=True)
    for name in ("cases", "error/allowed"):
        table.add_column(name, no_wrap=True, justify="right")
    for verdict in subject.verdicts if any(v.verdict != "not_reached" for v in subject.verdicts) else ():
        table.add_row(*_row(verdict))
    covered = subject.coverage
    notes = [f"{covered.strength}-way combinations: {covered.covered} of {covered.combinations}"] if covered.combinations else []
    title = Text(clean(_title(subject)), style="bold")
    below = (Padding(Text(clean(line), style="dim"), (0, 0, 0, 3)) for line in [*notes, *_reasons(subject.verdicts)])
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
        f"{MARKS[status][0]} {', '.join(ids) if len(ids) <= FEW else count(len(ids), 'property')}: {reason}"
        for (status, reason), ids in sharing.items()
    ]


def _raised_in(verdict: Verdict) -> list[str]:
    """The properties that tell what was raised on other cases of a green one."""
    found = RAISED.fullmatch(verdict.reason or "")
    return found[1].split(", ") if found else []


def _title(subject: SubjectReport) -> str:
    read = f"   read as: {subject.reading}" if subject.reading else ""
    return f"{subject.name}{read}   {subject.extent}, {subject.seconds:.1f} s"


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
    """Return error/allowed in per cent, or as a factor where it is large; nothing where it cannot be measured."""
    if verdict.budget_used is None or verdict.budget_used == inf:
        return ""
    percent = 100 * verdict.budget_used
    return f"{percent:.0f} %" if percent < 1e4 else f"{verdict.budget_used:.0e} x"


def summary(report: Results) -> Text:
    """Return the last line with its style, and before it what is said of stored cases and stale deviations."""
    text, style = summary_line(report)
    return Text("\n".join([*fixed_lines(report), *map(clean, report.stale), text]), style=style)
