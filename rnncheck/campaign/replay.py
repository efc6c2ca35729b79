"""One stored case on one subject, in detail."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnncheck.adapters.targets import resolve
from rnncheck.backend import own_functions
from rnncheck.campaign import importing
from rnncheck.campaign.probing import probe_all
from rnncheck.campaign.store import Stored, StoreError, case_from_json, load
from rnncheck.catalog import CATALOG
from rnncheck.core.subject import Subject
from rnncheck.core.verdict import Verdict
from rnncheck.engine import Job, Workshop, make_engine
from rnncheck.engine.jobs import Done
from rnncheck.errors import UsageError
from rnncheck.judging.explain import Explanation
from rnncheck.report.model import Failed
from rnncheck.report.text import failure_text


@dataclass(frozen=True)
class Replay:
    """What came of a stored case: the verdict on that case alone."""

    stored: Stored
    subject: str
    verdict: Verdict


@own_functions.kept()
def replay(file: str | Path, target: str | None = None, engine: str = "processes") -> Replay:
    """Judge the stored case again, on the target that it is from or on another one; raises UsageError."""
    stored = _read(Path(file))
    if stored.property not in CATALOG:
        raise UsageError(f"{file}: there is no property {stored.property!r}; see: rnncheck list")
    (subject,) = importing.subjects(target or stored.target, stored.against, None)
    return Replay(stored, subject.name, _judged(subject, stored.property, stored.case, engine))


@own_functions.kept()
def check_case(target: Any, property: str, case: Any, against: Any = None, *, engine: str = "processes") -> None:
    """Check one property on one case: the body of a regression test.

    target, against: as in rnncheck.verify, one target
    property: its id, e.g. ``time.split``
    case:     a case as a dict, as the JSON report and ``.rnncheck`` write it; or the path of a stored case, of which
              the case alone is used, and the reference where ``against`` is None
    engine:   "processes" survives a subject that crashes or hangs, "inline" runs in this process

    Raises Failed, an AssertionError, where the property does not hold on that case or cannot be checked on it;
    UsageError where target, property or case cannot be used.

    >>> import rnncheck
    >>> from rnncheck.case import Case
    >>> case = Case(rnncheck.Config("GRU", 2, 3), time=4, batch=2).to_json()
    >>> rnncheck.check_case("torch.nn.GRU", "time.split", case, engine="inline")
    """
    __tracebackhide__ = True
    if property not in CATALOG:
        raise UsageError(f"property = {property!r}, but there is no such property; see: rnncheck list")
    stored = None if isinstance(case, dict) else _read(Path(case))
    found = importing.subjects(target, against if stored is None or against is not None else stored.against, None)
    if len(found) != 1:
        raise UsageError(f"target = {target!r}, but should be one target")
    exact = stored.case if stored is not None else _case(found[0], case)
    verdict = _judged(found[0], property, exact, engine).but(stored=None if stored is None else str(stored.path))
    if verdict.red:
        raise Failed(failure_text(found[0].name, verdict))
    if verdict.verdict != "holds":
        raise Failed(f"{property} was not checked on {found[0].name}: {verdict.reason or verdict.verdict}")


def _read(file: Path) -> Stored:
    try:
        return load(file)
    except StoreError as error:
        raise UsageError(str(error)) from None


def _case(subject: Subject, data: dict[str, Any]) -> Any:
    try:
        return case_from_json(subject.kind, data)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"case = {str(data):.60}, but should be a {subject.kind}'s case: {error}") from None


def _judged(subject: Subject, property: str, case: Any, engine: str) -> Verdict:
    """The verdict on that case alone."""
    workshop = Workshop(probe_all([subject], engine, 1), CATALOG, resolve.probe)
    running = make_engine(engine, workshop, 1)
    try:
        (done,) = running.run([Job(0, "shrink", 0, (case,), ((property,),), attempts=0)])
    finally:
        running.close()
    return _verdict(property, case, done)


def _verdict(property: str, case: Any, done: Done) -> Verdict:
    prop = CATALOG[property]
    outcome = done.outcomes[0][1]
    told = done.explanation or Explanation()
    return Verdict(
        prop.id, outcome.status, prop.kind, 1, outcome.budget_used, prop.statement,
        mismatch="\n".join(outcome.mismatches) or None, location=told.location, diagnosis=told.diagnosis,
        case=case, reason="\n".join(filter(None, (outcome.reason, told.around, told.unexplained))) or None,
    )  # fmt: skip
