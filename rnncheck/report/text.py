"""The one shape of a failure's message: who, what must hold, where, got, allowed, the minimal case, how to run it again."""

from collections.abc import Sequence

from rnncheck.core.plain_text import plain as clean
from rnncheck.core.verdict import Verdict
from rnncheck.report.words import count

__all__ = ["clean", "failure_text"]

HEADLINES = {
    "fails": "does not hold for",
    "errored": "could not be judged (exception raised) on",
    "crashed": "crashed",
    "hung": "hung",
    "not_reached": "was not reached on",
    "deviates": "is known not to hold for",
    "warns": "is a convention that is not kept by",
}

MOST_LINES = 4
"""Mismatch lines printed; the JSON report has all of them."""


def failure_text(subject: str, verdict: Verdict, also: Sequence[Verdict] = ()) -> str:
    """Return the message on a verdict in several lines, and the names of those that have the same cause."""
    lines = [f"{verdict.property} {HEADLINES[verdict.verdict]} {subject}", f"  {verdict.statement}"]
    differing = (verdict.mismatch or "").splitlines()
    lines += [f"  {line}" for line in differing[:MOST_LINES]]
    more = len(differing) - MOST_LINES
    lines += [f"  ({count(more, 'more line')} like these)"] if more > 0 else []
    where = f"first wrong: {verdict.location}" if verdict.location else ""
    lines += [f"  {line}" for line in (where, verdict.diagnosis) if line]
    lines += [f"  {line}" for line in (verdict.reason or "").splitlines()]
    if verdict.case is not None:
        any_other = f"   (any {', any '.join(verdict.irrelevant)})" if verdict.irrelevant else ""
        lines.append(f"  case: {verdict.case}{any_other}")
    if verdict.stored:
        script = f"     script: {verdict.repro}" if verdict.repro else ""
        lines.append(f"  again: rnncheck replay {verdict.stored}{script}")
    if verdict.regression_test:
        lines.append(f"  regression test: {verdict.regression_test}")
    if also:
        lines.append(f"  also failing: {', '.join(other.property for other in also)}")
    return clean("\n".join(lines))
