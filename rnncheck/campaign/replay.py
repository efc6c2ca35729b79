"""One stored case on one subject, in detail."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnncheck.adapters.targets import resolve
from rnncheck.adapters.targets.typed_names import TypedName
from rnncheck.backend import own_functions
from rnncheck.backend.devices import is_here
from rnncheck.campaign import importing
from rnncheck.campaign.probing import asked_only, probe_all
from rnncheck.campaign.store import Stored, case_from_json, load
from rnncheck.campaign.trust import outside
from rnncheck.catalog import CATALOG, FAMILIES
from rnncheck.core.plain_text import one_line, quoted
from rnncheck.core.subject import Subject
from rnncheck.core.verdict import CHECKED, Verdict
from rnncheck.engine import Job, WorkerContext, make_engine
from rnncheck.engine.jobs import Done
from rnncheck.engine.memory import lacks_memory
from rnncheck.errors import UsageError
from rnncheck.judging.explain import Explanation
from rnncheck.report.model import Failed
from rnncheck.report.text import failure_text

DEVICE = re.compile(r"[a-z]+(:\d+)?")
"""What a device is called behind a target: cuda, cuda:1."""


@dataclass(frozen=True)
class Replay:
    """What came of a stored case: the verdict on that case alone."""

    stored: Stored
    subject: str
    verdict: Verdict


@own_functions.kept()
def replay(
    file: str | Path,
    target: str | None = None,
    engine: str = "processes",
    *,
    against: str | None = None,
    trust: bool = False,
    properties_from: Sequence[str] = (),
    tell: Callable[[str], None] = lambda line: None,
) -> Replay:
    """Judge the stored case again, on the target that it is from or on another one; raises UsageError.

    target, against: with a target, nothing that the file names is imported, and ``against`` is the reference
    trust:           import what the file names from wherever it is; else only from inside the current folder
    properties_from: files or modules that declare properties of the user's own
    tell:            takes a line on what is about to be imported because the file names it
    """
    stored = load(Path(file))
    importing.properties(properties_from)
    if stored.property.partition(".")[0] in FAMILIES:
        _check_known(file, stored)
    _check_kind(file, stored, stored.kind)
    beside = against or (None if target else stored.against)
    named = [] if target else [name for name in (stored.target, None if against else stored.against) if name]
    _check_trusted(file, named, trust)
    lacking = _lacking(stored.case)
    if lacking is not None and stored.property in CATALOG:
        return Replay(stored, target or stored.target, _not_reached(stored.property, stored.case, lacking))
    if named:
        tell(f"importing {' and '.join(map(one_line, named))}, as {one_line(file)} says")
    (subject,) = _subjects(target or stored.target, beside, file if named else None)
    _check_known(file, stored)
    _check_kind(file, stored, subject.kind)
    verdict = _judged(subject, stored.property, stored.case, engine)
    if verdict.verdict not in CHECKED and stored.against and not beside:
        hint = f"the file names {one_line(stored.against)} as the reference: add --against to import one"
        verdict = verdict.but(reason="; ".join(filter(None, (verdict.reason, hint))))
    return Replay(stored, subject.name, verdict)


def _subjects(target: str, against: str | None, file: str | Path | None) -> list[Subject]:
    """Return what a target is, without the device that a stored one may end with; ``file`` is the one that names it."""
    name, _, device = target.rpartition(" on ")
    try:
        return importing.subjects(name if name and DEVICE.fullmatch(device) else target, against, None)
    except UsageError as error:
        hint = "" if file is None else f"; {one_line(file)} names it: name a target of your own with --target mine.py:MyLSTM"
        raise UsageError(f"{error}{hint}") from None


def _check_known(file: str | Path, stored: Stored) -> None:
    """Raise UsageError where nothing that has been imported declares the file's property."""
    if stored.property not in CATALOG:
        raise UsageError(f"{one_line(file)}: there is no property {quoted(stored.property)}; see: rnncheck list")


def _check_trusted(file: str | Path, named: list[str], trust: bool) -> None:
    """Raise UsageError where the file names code from outside of the current folder, unless it is trusted."""
    for name in (place for one in named for place in TypedName.of(one).places):
        where = None if trust else outside(name)
        if where is not None:
            raise UsageError(
                f"{one_line(file)} names {one_line(name)}, which is outside of this folder ({where}) and would be imported; "
                "add --trust if you know the file, or name a target of your own: --target mine.py:MyLSTM"
            )


def _check_kind(file: str | Path, stored: Stored, kind: str) -> None:
    """Raise UsageError unless the file's property and its case are of this kind of subject, as ``layer`` or ``clip``."""
    judged = CATALOG[stored.property].about if stored.property in CATALOG else None
    if (stored.kind, judged or kind) != (kind, kind):
        what = f"a {stored.kind}'s case of {stored.property}"
        raise UsageError(f"{one_line(file)}: {what}, but should be of the target's kind: {kind}")


def _lacking(case: Any) -> str | None:
    """Why a case cannot be built here: a device or memory that is missing; None where it can."""
    devices = [case.device, *(gradient.device for gradient in getattr(case, "gradients", ()) if gradient.device)]
    absent = [device for device in devices if not is_here(device)]
    return f"there is no device {absent[0]} here" if absent else lacks_memory(case)


def _not_reached(property: str, case: Any, reason: str) -> Verdict:
    prop = CATALOG[property]
    return Verdict(prop.id, "not_reached", prop.kind, 0, None, prop.statement, case=case, reason=reason, elsewhere=True)


@own_functions.kept()
def check_case(target: Any, property: str, case: Any, against: Any = None, *, engine: str = "processes") -> None:
    """Check one property on one case: the body of a regression test.

    Args:
        target: as in rnncheck.verify, but one alone
        property: its id, e.g. ``time.split``
        case: a case as a dict, as the JSON report and ``.rnncheck`` write it; or the path of a stored case, of which
            only the case is used: nothing that the file names is imported
        against: as in rnncheck.verify
        engine: "processes" survives a subject that crashes or hangs, "inline" runs in this process

    Raises Failed, an AssertionError, where the property does not hold on that case or cannot be checked on it;
    UsageError where target, property or case cannot be used.

    Examples:
        >>> import rnncheck
        >>> from rnncheck.core.case import Case
        >>> case = Case(rnncheck.Config("GRU", 2, 3), time=4, batch=2).to_json()
        >>> rnncheck.check_case("torch.nn.GRU", "time.split", case, engine="inline")
    """
    __tracebackhide__ = True
    if property.partition(".")[0] in FAMILIES:
        _check_property(property)
    stored = None if isinstance(case, dict) else load(Path(case))
    found = importing.subjects(target, against, None)
    _check_property(property)
    if len(found) != 1:
        raise UsageError(f"target = {quoted(target)}, but should be one target")
    if stored is not None:
        _check_kind(stored.path or "", stored, found[0].kind)
    exact = stored.case if stored is not None else _case(found[0], case)
    if CATALOG[property].about != found[0].kind:
        raise UsageError(f"property = {quoted(property)}, but {found[0].name} is a {found[0].kind}; name a property of its kind")
    verdict = _judged(found[0], property, exact, engine).but(stored=None if stored is None else str(stored.path))
    if verdict.red:
        raise Failed(failure_text(found[0].name, verdict))
    if verdict.verdict != "holds":
        raise Failed(f"{property} was not checked on {found[0].name}: {verdict.reason or verdict.verdict}")


def _check_property(property: str) -> None:
    if property not in CATALOG:
        raise UsageError(f"property = {quoted(property)}, but there is no such property; see: rnncheck list")


def _case(subject: Subject, data: dict[str, Any]) -> Any:
    try:
        return case_from_json(subject.kind, data)
    except ValueError as error:
        raise UsageError(f"case = {quoted(data, 60)}, but should be a {subject.kind}'s case: {one_line(error)}") from None


def _judged(subject: Subject, property: str, case: Any, engine: str) -> Verdict:
    """The verdict on that case alone."""
    lacking = _lacking(case)
    if lacking is not None:
        return _not_reached(property, case, lacking)
    workshop = WorkerContext(probe_all(asked_only([subject], [CATALOG[property]]), engine, 1), CATALOG, resolve.probe)
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
