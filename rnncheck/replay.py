"""One stored case on one subject, in detail."""

from dataclasses import dataclass
from pathlib import Path

from rnncheck.adapters import resolve
from rnncheck.catalog import CATALOG
from rnncheck.engine import Job, Workshop, make_engine
from rnncheck.engine.work import Done
from rnncheck.errors import UsageError
from rnncheck.explain import Explanation
from rnncheck.store import Stored, StoreError, load
from rnncheck.verdict import Verdict


@dataclass(frozen=True)
class Replay:
    """What came of a stored case: the verdict on that case alone."""

    stored: Stored
    subject: str
    verdict: Verdict


def replay(file: str | Path, target: str | None = None, engine: str = "processes") -> Replay:
    """Judge the stored case again, on the target that it is from or on another one; raises UsageError."""
    try:
        stored = load(Path(file))
    except StoreError as error:
        raise UsageError(str(error)) from None
    if stored.property not in CATALOG:
        raise UsageError(f"{file}: there is no property {stored.property!r}; see: rnncheck list")
    subjects = resolve.probe_all(resolve.subjects(target or stored.target, stored.against, None), engine, 1)
    workshop = Workshop(subjects, CATALOG, resolve.probe)
    running = make_engine(engine, workshop, 1)
    try:
        (done,) = running.run([Job(0, "shrink", 0, (stored.case,), ((stored.property,),), attempts=0)])
    finally:
        running.close()
    return Replay(stored, subjects[0].name, _verdict(stored, done))


def _verdict(stored: Stored, done: Done) -> Verdict:
    prop = CATALOG[stored.property]
    outcome = done.outcomes[0][1]
    told = done.explanation or Explanation()
    return Verdict(
        prop.id, outcome.status, prop.kind, 1, outcome.budget_used, prop.statement,
        mismatch="\n".join(outcome.mismatches) or None, location=told.location, diagnosis=told.diagnosis,
        case=stored.case, reason="\n".join(filter(None, (outcome.reason, told.around, told.unexplained))) or None,
    )  # fmt: skip
