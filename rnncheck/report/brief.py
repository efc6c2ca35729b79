"""The report in a few hundred words of JSON, for a program in a loop: what is wrong, the smallest case, and how to fix it."""

from typing import Any

from rnncheck.catalog.notes import note_on
from rnncheck.core.verdict import CHECKED
from rnncheck.report.causes import Cause
from rnncheck.report.model import Results, SubjectReport
from rnncheck.report.summary import lacking
from rnncheck.report.text import clean

SCHEMA = 1
"""Of this short form; keys may be added without a change, and none is taken away or given another meaning."""
MOST_ALSO, MOST_LINES = 8, 3
"""Names of properties that fail with the leading one, and lines of a mismatch."""


def brief(report: Results) -> dict[str, Any]:
    """Return the short form: ``docs/loop.md`` says what each key means."""
    return {
        "brief": SCHEMA,
        "exit_code": report.exit_code,
        "incomplete": lacking(report) if report.exit_code == 3 else None,
        "seed": report.seed,
        "stale_deviations": list(report.stale),
        "subjects": [_subject(subject) for subject in report.subjects],
    }


def _subject(subject: SubjectReport) -> dict[str, Any]:
    counted = subject.count()
    return {
        "name": subject.name,
        "reading": subject.reading,
        "cases": subject.cases,
        "holds": counted["holds"],
        "fails": sum(verdict.red for verdict in subject.verdicts),
        "not_checked": sum(verdict.verdict not in CHECKED for verdict in subject.verdicts),
        "causes": [_cause(cause, subject.command is not None) for cause in subject.causes],
    }


def _cause(cause: Cause, named: bool) -> dict[str, Any]:
    lead = cause.lead
    seen = (lead.mismatch or lead.reason or "").splitlines()[:MOST_LINES]
    return {
        "headline": cause.headline,
        "property": lead.property,
        "statement": lead.statement,
        "also": [verdict.property for verdict in cause.also[:MOST_ALSO]],
        "also_count": len(cause.also),
        "only": list(cause.only),
        "calls": cause.calls,
        "seen": [clean(line) for line in seen],
        "first_wrong": lead.location,
        "case": None if lead.case is None else str(lead.case),
        "replay": f"rnncheck replay {lead.stored}" if lead.stored and named else None,
        "script": lead.repro,
        "fix": _fix(cause),
    }


def _fix(cause: Cause) -> str:
    """Return one sentence on what would help: the change that explains the numbers, or what usually is the matter."""
    if cause.explained:
        return f"Undo this in the layer: {cause.headline} ({cause.explained})."
    return note_on(cause.lead.property).mend
