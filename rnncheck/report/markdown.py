"""The report as Markdown, for a job summary or a pull request."""

from rnncheck.report.causes import Cause
from rnncheck.report.model import Results, SubjectReport
from rnncheck.report.terminal import MARKS, QUIET, summary, used_text
from rnncheck.report.text import clean, failure_text


def markdown(report: Results) -> str:
    """A heading, a summary, a table a subject, and each cause with its leading failure in full."""
    meaning = [cell(line) for line in summary(report).plain.splitlines()]
    parts = ["# rnncheck", *meaning, *(_subject(subject) for subject in report.subjects)]
    parts += [part for subject in report.subjects for cause in subject.causes for part in _cause(subject, cause)]
    return "\n\n".join(parts) + "\n"


def _cause(subject: SubjectReport, cause: Cause) -> list[str]:
    """A heading that says what is wrong, the calls as Python, and the failure that leads."""
    calls = [f"```python\n{fenced(cause.calls)}\n```"] if cause.calls else []
    text = fenced(failure_text(subject.name, cause.lead, cause.also))
    return [f"### {cell(' '.join(cause.headline.split()))}", *calls, f"```text\n{text}\n```"]


def _subject(subject: SubjectReport) -> str:
    covered = subject.coverage
    told = f"{subject.extent}; {covered.strength}-way combinations: {covered.covered} of {covered.combinations}"
    rows = ["| | property | verdict | cases | error/allowed |", "|---|---|---|---:|---:|"]
    rows += [
        f"| {MARKS[v.verdict][0]} | `{v.property}` | {v.verdict.replace('_', ' ')} | {v.cases or ''} | {used_text(v)} |"
        for v in subject.verdicts if v.verdict not in QUIET
    ]  # fmt: skip
    quiet = ", ".join(f"{subject.count()[status]} {status.replace('_', ' ')}" for status in QUIET if subject.count()[status])
    told = f"read as: {cell(subject.reading)}; {told}" if subject.reading else told
    return f"## {cell(subject.name)}\n\n{told}\n\n" + "\n".join(rows) + (f"\n\nBesides: {quiet}." if quiet else "")


def cell(text: str) -> str:
    """Text that cannot break out of a heading or a table."""
    return clean(text).replace("|", "\\|").replace("`", "'").replace("<", "&lt;").replace("\n", " ")


def fenced(text: str) -> str:
    """Text that cannot close its fence."""
    return clean(text).replace("```", "'''")
