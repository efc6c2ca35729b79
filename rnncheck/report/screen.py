"""The report on one screen: how the target was read, what fails and why, or that it passed, and what was not checked."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from rnncheck.core.verdict import CHECKED, Verdict
from rnncheck.report.causes import Cause
from rnncheck.report.conventions import headline, warned
from rnncheck.report.model import Results, SubjectReport
from rnncheck.report.summary import BOLD, DIM, GREEN, NAMES, RED, YELLOW, fixed_lines, lacking, summary_line
from rnncheck.report.text import MOST_LINES, clean
from rnncheck.report.unchecked import unchecked
from rnncheck.report.words import count, named, seconds_text, verb, wrapped

SHOWN_CAUSES = 4
"""The number of causes of one subject that are shown in full; further ones have only a headline."""
MOST_NOTES = 3
"""The number of lines of a verdict's reason that are shown beside the difference."""
LABEL = 16
"""Characters of a label and its indentation."""
FEW = 3
"""Properties that are named by themselves; of more only the families."""


@dataclass(frozen=True)
class Line:
    """A line of text, and how its first ``marked`` characters look; all of it if None."""

    text: str = ""
    style: str = ""
    marked: int | None = None


def screen(report: Results, width: int) -> Iterator[Line]:
    """Yield the lines of a report, none longer than ``width`` except for code and words that are longer themselves."""
    blank = False
    for line in _lines(report, width):
        if line.text or not blank:
            yield line
        blank = not line.text


def _lines(report: Results, width: int) -> Iterator[Line]:
    several = len(report.subjects) > 1
    for subject in report.subjects:
        subject = subject if several or not report.seconds else replace(subject, seconds=report.seconds)
        yield from _subject(report, subject, width, several)
    yield from _end(report, width)


def _subject(report: Results, subject: SubjectReport, width: int, several: bool) -> Iterator[Line]:
    causes = subject.causes
    if several and not causes:
        yield from _strip(report, subject, width)
        return
    yield from _head(subject, width)
    if causes:
        yield from _failures(subject, causes, width)
    else:
        yield from _passed(report, subject, width)
    if several:
        yield Line()


def _head(subject: SubjectReport, width: int) -> Iterator[Line]:
    """The target and how it was read."""
    name = clean(subject.name)
    told = f"{name}   read as: {clean(subject.reading)}" if subject.reading else name
    first, *more = wrapped(told, width, "", "    ")
    yield Line(first, BOLD, len(name))
    yield from map(Line, more)


# what fails -----------------------------------------------------------------------------------------------------------


def _failures(subject: SubjectReport, causes: tuple[Cause, ...], width: int) -> Iterator[Line]:
    for cause in causes[:SHOWN_CAUSES]:
        yield Line()
        yield from cause_lines(subject, cause, width)
    for cause in causes[SHOWN_CAUSES:]:
        yield Line()
        yield from _marked("FAIL   ", _headline(cause), RED, width)
    yield Line()
    yield from _conventions(subject, width)
    yield from (Line(line) for line in wrapped(_counted(subject, causes), width))


def _counted(subject: SubjectReport, causes: tuple[Cause, ...]) -> str:
    """How much fails, holds and was not checked."""
    of = subject.count()
    red = sum(len(cause.verdicts) for cause in causes)
    skipped = sum(verdict.verdict not in CHECKED for verdict in subject.verdicts)
    known = f", {count(of['deviates'], 'known deviation')}" if of["deviates"] else ""
    fail = f"{count(red, 'property')} {'fails' if red == 1 else 'fail'}"
    return (f"{count(len(causes), 'cause')}: {fail}, {verb(of['holds'], 'holds', 'hold')}{known}, {skipped} not checked "
            f"(--verbose). {_extent(subject)}")  # fmt: skip


def _extent(subject: SubjectReport) -> str:
    return f"{count(subject.cases, 'case')}, {seconds_text(subject.seconds)}"


def _headline(cause: Cause) -> str:
    return clean(" ".join(cause.headline.split()))


def cause_lines(subject: SubjectReport, cause: Cause, width: int) -> Iterator[Line]:
    """Yield the block of one cause: the headline, the calls, what shows it, and how to see it again."""
    yield from _marked("FAIL   ", _headline(cause), RED, width)
    if cause.explained:
        yield from map(Line, wrapped(f"({clean(cause.explained)})", width, " " * 7))
    yield Line()
    if cause.calls:
        yield from (Line(f"  {line}") for line in clean(cause.calls).splitlines())
    else:
        yield from (Line(line) for text in _seen(cause.lead) for line in wrapped(text, width, "  ", "    "))
    yield Line()
    yield from _labelled("found by", f"{cause.lead.property}: {cause.lead.statement}", width)
    if cause.also:
        listed = named([verdict.property for verdict in cause.also], NAMES)
        yield from _labelled("also failing", f"{count(len(cause.also), 'property')}: {listed}", width)
    yield from _again(subject, cause.lead, width)


def _seen(verdict: Verdict) -> list[str]:
    """What differs or was raised, and on which case, where the calls do not show it."""
    differing = verdict.mismatch.splitlines() if verdict.mismatch else (verdict.reason or "").splitlines()[1:]
    more = len(differing) - MOST_LINES
    told = [*differing[:MOST_LINES], *([f"({count(more, 'more line')} like these)"] if more > 0 else [])]
    told += [f"first wrong: {verdict.location}"] if verdict.location else []
    told += [f"case: {verdict.case}"] if verdict.case is not None else []
    return [clean(line) for line in told]


def _again(subject: SubjectReport, lead: Verdict, width: int) -> Iterator[Line]:
    """How to run it again, and what is to be said of the script: in Python, where no name leads to the target."""
    named = subject.command
    if lead.stored:
        in_python = f'rnncheck.check_case(target, "{lead.property}", "{lead.stored}")'
        yield from _labelled("again", f"rnncheck replay {lead.stored}" if named else in_python, width)
    if lead.repro:
        yield from _labelled("as a script", f"python {lead.repro}", width)
    elif lead.stored and lead.case is not None and not lead.regression_test:
        yield from _labelled(
            "as a script", f"rnncheck verify {named} --repro DIR" if named else 'rnncheck.verify(target, repro="DIR")', width
        )
    if lead.regression_test:
        yield from _labelled("as a test", f"pytest {lead.regression_test}", width)
    for line in (lead.reason or "").splitlines()[:MOST_NOTES] if lead.mismatch else ():
        command = line.removeprefix("again: ")
        yield from _labelled("note" if command == line else "again", command, width)


def _labelled(label: str, text: str, width: int) -> Iterator[Line]:
    """A label and what it stands for; a command stays on one line, so that it can be copied."""
    first = f"  {label:{LABEL - 2}}"
    command = text.startswith(("rnncheck ", "rnncheck.", "python ", "pytest "))
    lines = [first + clean(text)] if command else wrapped(clean(text), width, first, " " * LABEL)
    yield from (Line(line, DIM, LABEL if place == 0 else 0) for place, line in enumerate(lines))


def _marked(mark: str, text: str, style: str, width: int) -> Iterator[Line]:
    first, *more = wrapped(text, width, mark, " " * len(mark))
    yield Line(first, style)
    yield from (Line(line, style) for line in more)


# what passed ----------------------------------------------------------------------------------------------------------


def _alone(report: Results, subject: SubjectReport) -> Results:
    """The report as if this were its only subject."""
    return replace(report, subjects=(subject,), stopped=subject.not_compared, missing=(), stale=())


def _status(report: Results, subject: SubjectReport) -> tuple[str, str]:
    """PASS only where the exit code, of this subject alone, is 0."""
    code = _alone(report, subject).exit_code
    return ("PASS", GREEN) if code == 0 else ("FAIL", RED) if code == 1 else ("INCOMPLETE", YELLOW)


def _passed(report: Results, subject: SubjectReport, width: int) -> Iterator[Line]:
    """That it passed, or that it is incomplete, and what was not checked."""
    of = subject.count()
    mark, style = _status(report, subject)
    told = f"{count(of['holds'], 'property')} on {_extent(subject)}"
    if mark == "INCOMPLETE":
        told = f"{lacking(_alone(report, subject))}. {verb(of['holds'], 'holds', 'hold')} so far, on {_extent(subject)}"
    yield from ((Line(line, style, len(mark)) if place == 0 else Line(line))
                for place, line in enumerate(wrapped(told, width, f"{mark}   ", " " * 7)))  # fmt: skip
    yield from _not_looked_at(subject, width)
    yield from _deviations(subject, width)
    yield from _conventions(subject, width)
    groups = unchecked(subject.verdicts)
    if groups:
        yield Line(f"NOT CHECKED   {count(sum(len(group.properties) for group in groups), 'property')}", "", 0)
    digits = max((len(str(len(group.properties))) for group in groups), default=1)
    for group in groups:
        yield from map(Line, wrapped(clean(" ".join(group.reason.split())), width, f"  {len(group.properties):{digits}}  "))
    left = f"{subject.left} of {subject.left + subject.cases} planned cases not run: time ran out. " if subject.left else ""
    yield from map(Line, wrapped(f"{left}Each verdict: --verbose", width))


def _not_looked_at(subject: SubjectReport, width: int) -> Iterator[Line]:
    """What no verdict speaks of, so that nothing passes in silence."""
    if subject.not_looked_at:
        mark, told = "NOT LOOKED AT   ", "; ".join(subject.not_looked_at)
        unread = any(re.fullmatch(r"argument \w+", one) for one in subject.not_looked_at)
        help = ". To have such an argument looked at, annotate forward with jaxtyping (docs/recurrences.md)" if unread else ""
        first, *more = wrapped(clean(f"{told}{help}"), width, mark, " " * len(mark))
        yield Line(first, YELLOW, len(mark.strip()))
        yield from map(Line, more)


def _deviations(subject: SubjectReport, width: int) -> Iterator[Line]:
    known = [verdict for verdict in subject.verdicts if verdict.verdict == "deviates"]
    if known:
        yield from map(Line, wrapped(f"{count(len(known), 'known deviation')}: --verbose", width, "KNOWN   "))


def _conventions(subject: SubjectReport, width: int) -> Iterator[Line]:
    """The conventions that are not kept, a line a reason."""
    groups = warned(subject.verdicts)
    if groups:
        yield Line(f"WARN   {headline(groups)}", YELLOW, 4)
    for group in groups:
        yield from map(Line, wrapped(clean(group.words), width, " " * 7))


def _strip(report: Results, subject: SubjectReport, width: int) -> Iterator[Line]:
    """One subject of several, in a few lines: what holds by family, and how much else there is."""
    mark, style = _status(report, subject)
    name = clean(subject.name)
    told = f"{name}   read as: {clean(subject.reading)}" if subject.reading else name
    first, *more = wrapped(told, width, f"{mark}   ", " " * 7)
    yield Line(first, style, len(mark))
    yield from map(Line, more)
    of, ids = subject.count(), [verdict.property for verdict in subject.verdicts if verdict.verdict == "holds"]
    names = ids if len(ids) <= FEW else list(dict.fromkeys(id.partition(".")[0] for id in ids))
    held = f"{verb(of['holds'], 'holds', 'hold')} on {count(subject.cases, 'case')}"
    listed = (", " if names is ids else " ").join(names)
    yield from map(Line, wrapped(f"{held}: {listed}" if names else held, width, " " * 7))
    rest = [f"{count(of['deviates'], 'known deviation')}: --verbose"] if of["deviates"] else []
    rest += [f"{count(of['warns'], 'convention')} not kept"] if of["warns"] else []
    rest += [f"not looked at: {clean(', '.join(subject.not_looked_at))}"] if subject.not_looked_at else []
    rest += [f"{of['not_reached']} not reached ({_open(subject)})"] if of["not_reached"] else []
    if rest:
        yield from map(Line, wrapped("; ".join(rest), width, " " * 7))


def _open(subject: SubjectReport) -> str:
    return named([verdict.property for verdict in subject.verdicts if verdict.verdict == "not_reached"], 40)


# the end --------------------------------------------------------------------------------------------------------------


def _end(report: Results, width: int) -> Iterator[Line]:
    """What is said of the report as a whole, where its subjects do not say it: the last line is the one to read."""
    for line in fixed_lines(report):
        yield from map(Line, wrapped(line, width))
    if "replaced" in report.environment:
        yield from _marked("NOTE   ", clean(f"replaced on import: {report.environment['replaced']}"), YELLOW, width)
    for line in report.stale:
        yield from _marked("FAIL   ", clean(line), RED, width)
    said = len(report.subjects) == 1 and report.stopped == report.subjects[0].not_compared and not report.failures
    alone = len(report.subjects) == 1 and not (report.stale or report.missing or (report.stopped and not said))
    if not alone:
        text, style = summary_line(report)
        yield Line()
        yield from (Line(line, style) for line in wrapped(text, width))
