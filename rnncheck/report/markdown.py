"""The report as Markdown, for a job summary or a pull request."""

from rnncheck.report.model import Report, SubjectReport
from rnncheck.report.terminal import MARKS, QUIET, summary, used_text
from rnncheck.report.text import clean, failure_text


def markdown(report: Report) -> str:
    """A heading, a summary, a table a subject, and each failure in full."""
    meaning = [cell(line) for line in summary(report).plain.splitlines()]
    parts = ["# rnncheck", *meaning, *(_subject(subject) for subject in report.subjects)]
    parts += [f"```text\n{fenced(failure_text(subject.name, verdict))}\n```" for subject, verdict in report.failures]
    return "\n\n".join(parts) + "\n"


def _subject(subject: SubjectReport) -> str:
    covered = subject.coverage
    told = f"{subject.extent}; {covered.strength}-way combinations: {covered.covered} of {covered.combinations}"
    rows = ["| | property | verdict | cases | budget used |", "|---|---|---|---:|---:|"]
    rows += [
        f"| {MARKS[v.verdict][0]} | `{v.property}` | {v.verdict.replace('_', ' ')} | {v.cases or ''} | {used_text(v)} |"
        for v in subject.verdicts if v.verdict not in QUIET
    ]  # fmt: skip
    quiet = ", ".join(f"{subject.count()[status]} {status.replace('_', ' ')}" for status in QUIET if subject.count()[status])
    return f"## {cell(subject.name)}\n\n{told}\n\n" + "\n".join(rows) + (f"\n\nBesides: {quiet}." if quiet else "")


def cell(text: str) -> str:
    """Text that cannot break out of a heading or a table."""
    return clean(text).replace("|", "\\|").replace("`", "'").replace("<", "&lt;").replace("\n", " ")


def fenced(text: str) -> str:
    """Text that cannot close its fence."""
    return clean(text).replace("```", "'''")
