"""A bundle against the equations, and against a subject here or another bundle: as a report like any other.

Two correct implementations may each be off by the budget of its own rounding, so their difference by the sum of both.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rnncheck.adapters.probing.probe import probe
from rnncheck.backend.environment import environment
from rnncheck.backend.switches import offered
from rnncheck.bundle import sides
from rnncheck.bundle.content import Bundle, Recorded
from rnncheck.campaign.options import shard_of
from rnncheck.campaign.settings import Shard
from rnncheck.core.bounds import whole
from rnncheck.core.case import Switch
from rnncheck.core.observation import Observation
from rnncheck.core.plain_text import quoted
from rnncheck.core.property import Condition, Property, anywhere
from rnncheck.core.subject import Subject
from rnncheck.core.verdict import Outcome, Verdict
from rnncheck.engine import Job, WorkerContext, make_engine
from rnncheck.engine.jobs import Done
from rnncheck.errors import UsageError
from rnncheck.judging.explain import Explanation
from rnncheck.report.model import Coverage, SubjectReport
from rnncheck.report.report import Report
from rnncheck.running.trial import Trial

BLOCK = 4
"""Cases in a job."""
TRUTH = "The recorded results match the equations, within the rounding of the machine that recorded them."
RESULTS = "Output and final states match the recorded ones, within the rounding of both sides."
GRADIENTS = "Gradients of input, states and parameters match the recorded ones, within the rounding of both sides."
in_training = Condition("train()", lambda case: case.training)


@dataclass(frozen=True)
class Judged:
    """One outcome: of which recorded case, and with what explained if it is the one to show."""

    place: int
    case: Any
    outcome: Outcome


def diff(
    bundle: Bundle,
    other: Bundle | Subject,
    *,
    device: str = "cpu",
    switches: Sequence[Switch] | None = None,
    only: int | None = None,
    shard: str | None = None,
    engine: str = "processes",
    jobs: int | None = None,
    again: str = "rnncheck diff",
) -> Report:
    """Judge a bundle, and what ``other`` does on its cases: a subject, run here on ``device``, or another bundle.

    switches: run every case with these backend switches; None: with the case's own, as far as the device has them
    only:     the place of the one case to look at
    shard:    "2/5" for the second of five parts of the cases
    again:    the command that ``--case N`` is added to in messages

    Raises UsageError where there is nothing to compare.
    """
    places = _places(bundle, only, shard)
    truths = [_truth(bundle, places, again)]
    if isinstance(other, Bundle):
        truths.append(_truth(other, _places(other, None, shard) if only is None else (), again))
        compared = _bundles(bundle, other, places, again)
    else:
        compared = _subject(bundle, other, places, (device, switches, engine, jobs, again))
    known = environment() | {"recorded": dict(bundle.environment)}
    return Report(known, bundle.seed, "diff", tuple(part for part in (*truths, compared) if part.cases))


def _places(bundle: Bundle, only: int | None, shard: str | None = None) -> Sequence[int]:
    last = len(bundle.recorded) - 1
    if only is not None and (type(only) is not int or not 0 <= only <= last):
        raise UsageError(f"case = {quoted(only)}, but should be one of 0 to {last}")
    if only is not None:
        return (only,)
    part = shard_of(shard) if shard is not None else Shard(1, 1)
    if part.of > last + 1:
        raise UsageError(f"shard = {shard}, but there are {last + 1} cases: at most as many parts")
    return range(part.index - 1, last + 1, part.of)


# what was recorded ----------------------------------------------------------------------------------------------------


def _truth(bundle: Bundle, places: Sequence[int], again: str) -> SubjectReport:
    """The recorded side alone."""
    started = time.monotonic()
    judged = [Judged(place, bundle.recorded[place].case, _against_truth(bundle.recorded[place])) for place in places]
    verdict = _verdict("bundle.truth", TRUTH, judged, again)
    if not verdict.red and any(bundle.recorded[place].measured for place in places):
        return _report(str(bundle), started, (verdict.but(cases=0),))  # its equations are its own: there is nothing to say
    shown = _shown(judged)
    if shown is not None and shown.outcome.status == "fails":
        location, diagnosis = sides.explained(bundle.recorded[shown.place])
        verdict = verdict.but(location=location, diagnosis=diagnosis)
    return _report(str(bundle), started, (verdict,))


def _against_truth(one: Recorded) -> Outcome:
    if one.error is not None:
        return Outcome("bundle.truth", "errored", reason=f"when it was recorded: {one.error}")
    return _outcome("bundle.truth", Observation() if one.measured is not None else sides.from_truth(one))


def _outcome(id: str, seen: Observation) -> Outcome:
    used = seen.budget_used if seen.measured else None
    return Outcome(id, "holds" if seen.holds else "fails", used, tuple(seen.mismatches()))


# against another bundle -----------------------------------------------------------------------------------------------


def _bundles(bundle: Bundle, other: Bundle, places: Sequence[int], again: str) -> SubjectReport:
    started = time.monotonic()
    partners = {sides.anywhere(one.case): one for one in other.recorded}
    pairs = [(place, one, partners.get(sides.anywhere(one.case))) for place, one in _ran(bundle, places)]
    found = [(place, one, partner) for place, one, partner in pairs if partner is not None and partner.run is not None]
    if not found:
        raise UsageError(f"{other} and {bundle} have no case in common that both ran")
    results = [Judged(place, one.case, _outcome("bundle.results", sides.bundles(partner, one)))
               for place, one, partner in found]  # fmt: skip
    trained = [(place, one, sides.gradients_of_bundles(partner, one))
               for place, one, partner in found if one.gradients and partner.gradients]  # fmt: skip
    gradients = [Judged(place, one.case, _outcome("bundle.gradients", seen)) for place, one, seen in trained]
    verdicts = [_verdict("bundle.results", RESULTS, results, again), _verdict("bundle.gradients", GRADIENTS, gradients, again)]
    if len(found) < len(pairs):
        why = f"{len(pairs) - len(found)} cases are in one bundle only"
        verdicts = [v if v.red else v.but(verdict="not_reached", reason=why) for v in verdicts]
    return _report(f"{other} against {bundle}", started, tuple(verdicts))


def _ran(bundle: Bundle, places: Iterable[int]) -> Iterator[tuple[int, Recorded]]:
    return ((place, bundle.recorded[place]) for place in places if bundle.recorded[place].run is not None)


# against a subject ----------------------------------------------------------------------------------------------------


def _subject(bundle: Bundle, subject: Subject, places: Sequence[int], how: tuple[Any, ...]) -> SubjectReport:
    """The subject on the same cases, here, in isolation."""
    started = time.monotonic()
    device, switches, engine, jobs, again = how
    here = {place: sides.moved(one.case, device, offered(device, one.case.switches) if switches is None else switches)
            for place, one in _ran(bundle, places)}  # fmt: skip
    refused = {place: reason for place, case in here.items() if (reason := subject.refuses(case)) is not None}
    taken = [place for place in here if place not in refused]
    if not taken:
        why = next(iter(refused.values()), "none of its cases ran when it was recorded")
        raise UsageError(f"{subject.name}: nothing to compare with {bundle}: {why}")
    by_case = {here[place]: bundle.recorded[place] for place in taken}
    catalog = {prop.id: prop for prop in _properties(by_case)}
    working = make_engine(engine, WorkerContext([subject], catalog, probe), jobs and whole("jobs", jobs), devices=(device,))
    try:
        judged = _judged(working.run(_jobs(taken, here, catalog)), taken)
        told = {id: _explained(working, bundle, judged[id], id) for id in catalog}
    finally:
        working.close()
    wanted = {id: sum(prop.applies(here[place]) for place in taken) for id, prop in catalog.items()}
    verdicts = [_verdict(id, prop.statement, judged[id], again, wanted[id]).but(location=told[id][0], diagnosis=told[id][1])
                for id, prop in catalog.items()]  # fmt: skip
    if refused:
        why = f"{len(refused)} of {len(here)} cases are not claimed: {next(iter(refused.values()))}"
        verdicts = [v if v.red else v.but(reason=why) for v in verdicts]
    name = f"{subject.name} on {device} against {bundle}"
    return _report(name, started, tuple(verdicts))


def _properties(recorded: Mapping[Any, Recorded]) -> tuple[Property, ...]:
    """The comparison with the bundle as properties, so that an engine can judge them like any other."""

    def results(trial: Trial) -> Observation:
        one = recorded[trial.case]
        same = sides.with_its_numbers(trial, one)
        seen = sides.takes_its_numbers(same, one)
        allowed = None if one.measured is None else same.budget.allowed
        return seen & sides.results(trial.case, same.run, one, allowed_here=allowed) if seen.holds else seen

    def gradients(trial: Trial) -> Observation:
        one = recorded[trial.case]
        assert one.run is not None
        same = sides.with_its_numbers(trial, one)
        weights = sides.cotangents(trial.case, one.run.map(lambda part: part.to(trial.x.device)))
        allowed = None if one.measured is None else same.gradient_budget(weights).allowed
        return sides.gradients(trial.case, same.gradients(weights), one, allowed_here=allowed)

    def prop(id: str, statement: str, applies: Condition, check: Callable[[Any], Observation]) -> Property:
        return Property(f"bundle.{id}", statement, "f(x) = what was recorded", "a bundle", "differential", applies, check)

    return prop("results", RESULTS, anywhere, results), prop("gradients", GRADIENTS, in_training, gradients)


def _jobs(places: Sequence[int], here: Mapping[int, Any], catalog: Mapping[str, Property]) -> Iterator[Job]:
    for number, start in enumerate(range(0, len(places), BLOCK)):
        cases = tuple(here[place] for place in places[start : start + BLOCK])
        yield Job(number, "judge", 0, cases, tuple(tuple(id for id, p in catalog.items() if p.applies(case)) for case in cases))


def _judged(done: Iterable[Done], places: Sequence[int]) -> dict[str, list[Judged]]:
    found: dict[str, list[Judged]] = {"bundle.results": [], "bundle.gradients": []}
    for one in done:
        for place, outcome in one.outcomes:
            found[outcome.property].append(Judged(places[one.job.index * BLOCK + place], one.job.cases[place], outcome))
    return found


def _explained(engine: Any, bundle: Bundle, judged: Sequence[Judged], id: str) -> tuple[str | None, str | None]:
    """Location and diagnosis of the side that leaves the equations: the subject, else what was recorded."""
    shown = _shown(judged)
    if shown is None or shown.outcome.status != "fails":
        return None, None
    (done,) = engine.run([Job(0, "shrink", 0, (shown.case,), ((id,),), attempts=0)])
    told = done.explanation or Explanation()
    if told.location:
        return told.location, told.diagnosis
    location, diagnosis = sides.explained(bundle.recorded[shown.place])
    return location and f"in what was recorded: {location}", diagnosis and f"what was recorded {diagnosis}"


# verdicts -------------------------------------------------------------------------------------------------------------


def _shown(judged: Sequence[Judged]) -> Judged | None:
    """The red one to show: the smallest case."""
    return min((one for one in judged if one.outcome.red), key=lambda one: sides.size(one.case), default=None)


def _verdict(id: str, statement: str, judged: Sequence[Judged], again: str, wanted: int = 0) -> Verdict:
    """What is concluded of outcomes; ``wanted``: how many there should be."""
    used = [one.outcome.budget_used for one in judged if one.outcome.budget_used is not None]
    blank = Verdict(id, "holds", "differential", len(judged), max(used, default=None), statement)
    unclear = [one for one in judged if one.outcome.undecided and one.case.config.named is not None]
    if 0 < len(unclear) < len(judged):  # what is measured may be large where the equations would say more
        clear = _verdict(id, statement, [one for one in judged if one not in unclear], again, wanted - len(unclear))
        told = f"in {len(unclear)} of {len(judged)} cases rounding alone could account for any difference"
        return clear if clear.red else clear.but(reason="\n".join(filter(None, (clear.reason, told))))
    open_ones = [one.outcome for one in judged if one.outcome.status not in ("holds", "not_applicable") and not one.outcome.red]
    shown = _shown(judged)
    if shown is None and open_ones:
        return blank.but(verdict="not_reached", reason=open_ones[0].reason)
    if shown is None and len(judged) < wanted:
        return blank.but(verdict="not_reached", reason=f"{wanted - len(judged)} cases have no outcome")
    if shown is None:
        return blank if judged else blank.but(verdict="not_applicable", reason="no case in train() was recorded")
    red = sum(one.outcome.red for one in judged)
    reason = [shown.outcome.reason, f"so in {red} of {len(judged)} cases", f"again: {again} --case {shown.place}"]
    return replace(blank, verdict=shown.outcome.status, mismatch="\n".join(shown.outcome.mismatches) or None, case=shown.case,
                   reason="\n".join(filter(None, reason)))  # fmt: skip


def _report(name: str, started: float, verdicts: tuple[Verdict, ...]) -> SubjectReport:
    cases = max(verdict.cases for verdict in verdicts)
    return SubjectReport(name, {}, time.monotonic() - started, cases, Coverage(0, 0, 0), verdicts)
