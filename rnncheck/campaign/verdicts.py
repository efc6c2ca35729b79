"""What is concluded of a property from all that was counted of it."""

from collections.abc import Callable

from rnncheck.campaign.tally import PropertyTally
from rnncheck.core.verdict import Status, Verdict


def verdict_of(tally: PropertyTally, why_not: Callable[[PropertyTally], tuple[Status, str]]) -> Verdict:
    """Return what is concluded of one property; why_not: what is said of one that was checked on no case."""
    prop = tally.prop
    by_dtype = dict(tally.by_dtype) or None
    blank = Verdict(prop.id, "holds", prop.kind, tally.cases, tally.used, prop.statement, by_dtype=by_dtype, severity=prop.severity)
    if tally.failed is not None and tally.warning is not None:
        case, outcome = tally.failed
        told = "\n".join(filter(None, (tally.warning, outcome.reason)))
        return blank.but(verdict="warns", case=case, mismatch="\n".join(outcome.mismatches) or None, reason=told)
    if tally.failed is not None:
        return _red(tally, blank)
    if tally.deviated is not None:
        case, outcome, why = tally.deviated
        return blank.but(verdict="deviates", case=case, mismatch="\n".join(outcome.mismatches) or None, reason=str(why))
    if tally.cases:
        raised = f"{len(tally.barred)} more raised: see {', '.join(sorted(set(tally.barred)))}" if tally.barred else None
        return blank.but(reason=tally.missed or tally.lacking or raised)
    if tally.missed or tally.undecided:
        lacking = tally.missed or tally.undecided
        return blank.but(verdict="not_reached", reason=lacking, elsewhere=tally.elsewhere, budget_used=None)
    status, reason = why_not(tally)
    return blank.but(verdict=status, reason=reason, budget_used=None)


def _red(tally: PropertyTally, blank: Verdict) -> Verdict:
    assert tally.failed is not None
    case, outcome = tally.failed
    told = blank.but(
        verdict=outcome.status,
        case=case,
        budget_used=outcome.budget_used,
        course=outcome.course,
        stored=None if tally.stored is None else str(tally.stored),
        repro=None if tally.script is None else str(tally.script),
        regression_test=None if tally.test is None else str(tally.test),
    )
    if tally.shrunk is not None and tally.shrunk.shrunk is not None:
        smallest, explanation = tally.shrunk.shrunk, tally.shrunk.explanation
        outcome = next((o for _, o in tally.shrunk.outcomes if o.red), outcome)
        told = told.but(
            case=smallest.case,
            irrelevant=smallest.irrelevant,
            verdict=outcome.status,
            budget_used=outcome.budget_used,
            location=explanation and explanation.location,
            diagnosis=explanation and explanation.diagnosis,
            calls=explanation and explanation.calls,
            needs=smallest.needs,
        )
    unexplained = tally.shrunk and tally.shrunk.explanation and tally.shrunk.explanation.unexplained
    reasons = [line for line in (outcome.reason, tally.unshrunk, tally.alone, unexplained) if line]
    return told.but(mismatch="\n".join(outcome.mismatches) or None, reason="\n".join(reasons) or None)
