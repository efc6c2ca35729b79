"""What a report says of all its subjects together: whether it is complete, what is known no longer, and what it means."""

from collections import Counter

from rnncheck.report.model import HOLDS_NOW, Results
from rnncheck.report.text import MOST_LINES, clean
from rnncheck.report.words import count, named, seconds_text

RED, YELLOW, GREEN, DIM, BOLD = "bold red", "bold yellow", "bold green", "dim", "bold"
NAMES = 200
"""Characters of a list of names."""


def lacking(report: Results) -> str:
    """Return why a report is incomplete."""
    counted = Counter(verdict.verdict for _, verdict in report.verdicts())
    if report.stopped or report.missing:
        return clean(report.stopped or f"no such device: {', '.join(report.missing)}")
    if report.checked or counted["not_reached"]:
        many = counted["not_reached"]
        return f"{count(many, 'property')} {'was' if many == 1 else 'were'} not reached"
    return "nothing was checked: none of the chosen properties is claimed and applies here"


def fixed_lines(report: Results) -> list[str]:
    """Return what is said of stored cases; of many that hold now one line."""
    holding = [clean(line).partition(" on ")[0] for line in report.mended if line.endswith(HOLDS_NOW)]
    others = [clean(line) for line in report.mended if not line.endswith(HOLDS_NOW)]
    if len(holding) < 2:
        others, holding = list(map(clean, report.mended)), []
    more = len(others) - MOST_LINES
    if more > 0:  # the last one sums up
        others = [*others[: MOST_LINES - 1], f"({count(more, 'more line')} like these: --json has them all)", others[-1]]
    return [*others, *([f"{count(len(holding), 'stored failing case')} hold now: {named(holding, NAMES)}"] if holding else [])]


def summary_line(report: Results) -> tuple[str, str]:
    """Return the last line, which says what the report means, and its style."""
    counted = Counter(verdict.verdict for _, verdict in report.verdicts())
    on = f"on {count(sum(subject.cases for subject in report.subjects), 'case')}"
    on += f", {seconds_text(report.seconds)}" if report.seconds else ""
    known = f"; {count(counted['deviates'], 'known deviation')}" if counted["deviates"] else ""
    holds = f"{count(counted['holds'], 'property')} {'holds' if counted['holds'] == 1 else 'hold'}"
    if report.exit_code == 1:
        causes = sum(len(subject.causes) for subject in report.subjects)
        names = ", ".join(sorted({clean(subject.name) for subject, _ in report.failures}))
        red = count(len(report.failures), "property")
        told = f"{red} {'fails' if len(report.failures) == 1 else 'fail'}, by {count(causes, 'cause')} ({names})" if causes else (
            f"{count(len(report.stale), 'stale deviation')}")  # fmt: skip
        early = f"Incomplete: {clean(report.stopped)}. " if report.stopped else ""
        return f"{early}FAIL   {told}{known}. {holds}, {on}.", RED
    if report.exit_code == 3:
        return f"INCOMPLETE   {lacking(report)}. {holds} so far, {on}{known}.", YELLOW
    left = sum(subject.left for subject in report.subjects)
    planned = f" ({left} more were planned)" if left else ""
    return f"PASS   {holds} {on}{planned}{known}.", GREEN
