"""What GitHub Actions reads: annotations on stdout, and the job summary."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rnncheck.errors import UsageError
from rnncheck.files.reading import reason
from rnncheck.report.markdown import fenced, markdown
from rnncheck.report.report import Report
from rnncheck.report.text import clean, failure_text

LONGEST_SUMMARY = 900_000
"""GitHub drops a step's summary that is larger than one mebibyte; UTF-8 needs a little more than a byte a character."""


def annotations(report: Report, complaints: Sequence[str]) -> list[str]:
    """Return a workflow command for each cause of failures, stale deviation and complaint of the gate."""
    lines = [
        annotation(f"{lead.property}: {subject.name}", failure_text(subject.name, lead, cause.also), _file(subject.name))
        for subject in report.subjects for cause in subject.causes for lead in (cause.lead,)
    ]  # fmt: skip
    lines += [annotation("rnncheck: stale deviation", line) for line in report.stale]
    lines += [annotation("rnncheck gate", line) for line in complaints]
    return lines


def annotation(title: str, message: str, file: str | None = None) -> str:
    """``::error title=…::…``, escaped as the runner wants it.

    >>> annotation("time.split: a", "100 %\\nof it")
    '::error title=time.split%3A a::100 %25%0Aof it'
    """
    at = f",file={_escape(file, value=True)}" if file else ""
    return f"::error title={_escape(title, value=True)}{at}::{_escape(message)}"


def _escape(text: str, value: bool = False) -> str:
    codes = {"%": "%25", "\r": "%0D", "\n": "%0A", **({":": "%3A", ",": "%2C"} if value else {})}
    return "".join(codes.get(letter, letter) for letter in clean(text))


def _file(subject: str) -> str | None:
    file = subject.partition(":")[0]
    return file if file.endswith(".py") else None


def write_summary(report: Report, complaints: Sequence[str], environ: Mapping[str, str]) -> None:
    """Append Markdown to the job summary, where the runner names a file for it."""
    if not (file := environ.get("GITHUB_STEP_SUMMARY")):
        return
    told = f"The gate failed:\n\n```text\n{fenced(chr(10).join(complaints))}\n```\n\n" if complaints else ""
    text = (told + markdown(report)).encode()[:LONGEST_SUMMARY].decode(errors="ignore")
    try:
        with Path(file).open("a", encoding="utf-8") as summary:
            summary.write(text + "\n")
    except OSError as error:
        raise UsageError(f"GITHUB_STEP_SUMMARY = {file!r} cannot be written: {reason(error)}") from None
