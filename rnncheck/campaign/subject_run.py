"""One subject's part of a campaign: what is known of each property so far, and what is concluded."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import Any

from rnncheck.backend.devices import is_here
from rnncheck.campaign.order import Checks, breadth_first
from rnncheck.campaign.settings import Settings
from rnncheck.campaign.shard import Check, SubjectPart, smallest_of
from rnncheck.campaign.store import Stored
from rnncheck.campaign.tally import PropertyTally, kind_of, promised
from rnncheck.campaign.verdicts import verdict_of
from rnncheck.core.deviation import Deviation
from rnncheck.core.subject import Claim, Subject
from rnncheck.core.verdict import NO_CASE, Outcome, Status, Verdict
from rnncheck.engine.jobs import GIVE_UP, Done, Job
from rnncheck.judging.judge import out_of_claim
from rnncheck.report.model import Coverage, SubjectReport
from rnncheck.report.reading import read_as
from rnncheck.report.words import some
from rnncheck.strategies.plan import plan
from rnncheck.strategies.structure import Ledger, rows

SHOWN = 24
"""Cases of which a report may show what went on inside."""
LOOK, LEAST_LOOK = 3, 1.0
"""Jobs of each subject that are begun even where the time is up, and their seconds then, not counting those without a core."""
LOOKED_THROUGH = 300
"""Planned cases of a subject whose probe ended badly that are looked through for some that a property applies to."""
HUNG = "its probe did not end: hung"
CALLED = {"layer": "batched", "clip": "generator", "step": "step_norm", "pair": "given"}
"""The feature of each kind of subject that says what became of its probe."""
JUDGED = ("holds", "fails", "errored", "crashed", "hung")
"""Outcomes of a case on which something was looked at."""


@dataclass
class SubjectRun:
    """One subject's part of a campaign: its tallies, its ledger, and the cases still to come."""

    index: int
    subject: Subject
    device: str
    settings: Settings
    deviations: list[Deviation]
    tallies: dict[str, PropertyTally] = field(default_factory=dict)
    seconds: float = 0.0
    places: dict[int, tuple[int, ...]] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)
    judged: set[int] = field(default_factory=set)
    planned: int = 0
    all_taken: bool = False
    crashes: int = 0
    shown: list[Any] = field(default_factory=list)
    causes: dict[str, str] = field(default_factory=dict)
    given_up: str | None = None
    checks: list[Check] = field(default_factory=list)

    def __post_init__(self) -> None:
        wanted = [p for p in self.settings.properties if p.about == self.subject.kind]
        in_part = self.settings.shard is not None
        self.tallies = {
            p.id: PropertyTally(p, self.settings.strict or promised(p, self.subject), shard=in_part)
            for p in sorted(wanted, key=lambda p: p.cost)
        }
        structure = rows(self.subject, self.settings.dtypes, self.settings.profile.strength, self.device)
        self.ledger = Ledger.over(structure if self.subject.kind == "layer" else [], self.settings.profile.strength)
        self.planned = self.settings.profile.cases
        self.given_up = None if is_here(self.device) else f"there is no device {self.device} here"

    def has(self, device: str) -> bool:
        """Whether this is about that device, or another of the same kind."""
        return device.partition(":")[0] == self.device.partition(":")[0]

    @property
    def names(self) -> tuple[str, str]:
        """What stored cases may name the subject."""
        return self.subject.name, self.subject.stored_as

    def stored(self, property: str, case: Any) -> Stored:
        """A failing case as it is kept."""
        reference = self.subject.reference
        against = None if reference is None else reference.stored_as
        return Stored(property, self.subject.stored_as, self.subject.kind, case, against)

    def command(self) -> str | None:
        """What the command line takes to check this subject as it was checked here; None where it cannot."""
        subject, reference = self.subject, self.subject.reference
        if subject.place is None or (reference is not None and reference.place is None):
            return None
        place = subject.place.removesuffix(f" on {self.device}")
        against = "" if reference is None else f" --against {shlex.quote(str(reference.place))}"
        return f"{shlex.quote(place)}{against}{'' if self.device == 'cpu' else f' --device {self.device}'}"

    def cases(self) -> Iterator[Any]:
        """The planned cases, in order; where nothing is known but that the probe ended badly, those that some property can be
        checked on.
        """
        found = plan(self.subject, self.settings.dtypes, self.settings.profile.strength, self.settings.seed, self.device)
        if self._lost():
            found = (case for case in islice(found, LOOKED_THROUGH) if self._is_for_some(case))
        return islice(found, self.planned)

    @property
    def planned_here(self) -> int:
        """How many cases are planned, in a shard for itself."""
        shard = self.settings.shard
        return self.planned if shard is None else len(range(shard.index - 1, self.planned, shard.of))

    @property
    def done(self) -> int:
        """How many cases have been begun."""
        return len(self.seen)

    def _is_for_some(self, case: Any) -> bool:
        return any(out_of_claim(tally.prop, self.subject, case) is None for tally in self.tallies.values())

    def jobs(self, numbers: Iterator[int]) -> Iterator[Job]:
        """The planned cases with the properties that are to be checked on them, a block at a time."""
        plan = (Checks(place, case, self.properties_for(case)) for place, case in enumerate(self.cases()))
        doubtful = self._lost().startswith(HUNG)
        for block in self._own_part(breadth_first(plan, lambda name: self.tallies[name].prop.cost, self.settings.profile.whole)):
            if self.given_up is not None or self.settled():
                break
            block = tuple(one.only(lambda name: not self.tallies[name].over) for one in block)
            number, least = next(numbers), LEAST_LOOK if len(self.places) < LOOK else 0.0
            self.places[number] = tuple(one.place for one in block)
            cases, names = tuple(one.case for one in block), tuple(one.properties for one in block)
            yield Job(number, "judge", self.index, cases, names, least=least, doubtful=doubtful)
        self.all_taken = True

    def _own_part(self, blocks: Iterator[tuple[Checks, ...]]) -> Iterator[tuple[Checks, ...]]:
        """Yield the blocks, in a shard with its own cases alone."""
        shard = self.settings.shard
        for block in blocks:
            own = block if shard is None else tuple(one for one in block if shard.takes(one.place))
            if own:
                yield own

    def settled(self) -> bool:
        """Whether every property has failed, so that no further case can say anything."""
        return all(tally.over for tally in self.tallies.values())

    def properties_for(self, case: Any) -> tuple[str, ...]:
        """Which properties to check on this case, cheap ones first."""
        kind = kind_of(case, self.subject)
        return tuple(
            id for id, tally in self.tallies.items()
            if out_of_claim(tally.prop, self.subject, case) is None and tally.wants(case, **kind)
        )  # fmt: skip

    def enter(self, done: Done) -> None:
        """Take note of a finished job, up to where the subject is given up: how far the work ran ahead does not matter.

        What a subject raises is one defect, and told once, by the property that came upon it first. The others go by
        their other cases.
        """
        self.seconds += done.seconds
        places = self._places(done)
        if done.cut is not None and done.cut[0] in self.tallies:
            self.tallies[done.cut[0]].cut = done.cut[1]
        visited: set[int] = set()
        for place, told in done.outcomes:
            self._record(places[place], done.job.cases[place], told)
            outcome = self._first_to_blame(done.job.properties[place], told) if told.of_run else told
            case, tally = done.job.cases[place], self.tallies[outcome.property]
            if self.given_up is None and tally.failed is None and outcome.status in JUDGED:
                self.judged.add(places[place])
            told_by = self.causes.get(outcome.cause or "", tally.prop.id)
            if told_by != tally.prop.id:
                tally.barred.append(told_by)
                continue
            if self.given_up is not None or not tally.enter(case, outcome, self.deviations):
                continue
            if tally.failed is not None and outcome.cause is not None:
                self.causes[outcome.cause] = tally.prop.id
            self.crashes += tally.failed is not None and outcome.status in ("crashed", "hung")
            if self.subject.kind == "layer" and outcome.status in ("holds", "fails") and place not in visited:
                self.ledger.visit(case)
                visited.add(place)
            if self.crashes >= GIVE_UP:
                self.given_up = f"given up after {self.crashes} crashes or hangs"

    def _record(self, place: int, case: Any, outcome: Outcome) -> None:
        """Keep an outcome for the merge of all shards; what is none of the plan's has its case with it."""
        if self.settings.shard is not None:
            self.checks.append(Check(place, outcome, case.to_json() if place < 0 else None))

    def part(self) -> SubjectPart:
        """Return all that a merge of shards has to know of this subject."""
        subject = self.subject
        shrunk = (smallest_of(tally.shrunk) for tally in self.tallies.values() if tally.shrunk is not None)
        told = self.report()
        return SubjectPart(
            subject.name, subject.kind, self.device, subject.modes, subject.claims, told.reading, subject.fixed, subject.nature,
            subject.against, self.seconds, told.left, tuple(self.checks), tuple(shrunk), subject.drop_in,
        )  # fmt: skip

    def _first_to_blame(self, names: tuple[str, ...], outcome: Outcome) -> Outcome:
        """Report a death in the run that all of these share at the first that has not failed, however far the work ran ahead."""
        blamed = next((name for name in names if self.tallies[name].failed is None), outcome.property)
        return replace(outcome, property=blamed)

    def _places(self, done: Done) -> tuple[int, ...]:
        """The places of the job's cases in the plan, which are counted now; what was stored has places of its own."""
        places = self.places.get(done.job.index) or tuple(~done.job.index for _ in done.job.cases)
        fresh = [case for place, case in zip(places, done.job.cases, strict=True) if place not in self.seen]
        self.shown += fresh if len(self.shown) < SHOWN else ()
        if self.given_up is None:
            had = {at for at, _ in done.outcomes}
            self.seen.update(place for at, place in enumerate(places) if at in had or not done.job.properties[at])
        return places

    def _left(self) -> int:
        """Return how many planned cases there was no time to begin."""
        if self.given_up or self.settled():
            return 0
        taken = {place for places in self.places.values() for place in places}
        return len(taken - self.seen) + (0 if self.all_taken else self.planned_here - len(taken))

    def report(self) -> SubjectReport:
        """Every verdict, in the order of the catalog."""
        ledger = self.ledger.to_json()
        verdicts = tuple(self.verdict(self.tallies[p.id]) for p in self.settings.properties if p.id in self.tallies)
        coverage = Coverage(ledger["strength"], ledger["combinations"], ledger["covered"], self.ledger.pairs())
        with_known_weights = self.subject.kind == "layer" and self.subject.offers("load")
        shown = tuple(self.shown[:SHOWN]) if with_known_weights else ()
        return SubjectReport(
            self.subject.name, dict(self.subject.claims), self.seconds, len(self.judged), coverage, verdicts, shown, self._left(),
            read_as(self.subject), self.command(), self.subject.not_looked_at, self.not_compared(),
        )  # fmt: skip

    def not_compared(self) -> str | None:
        """Return why the agreement with a reference was not checked though it was asked for; None where it was."""
        tally = self.tallies.get("agree.against")
        if tally is None or self.subject.reference is None:
            return None
        verdict = self.verdict(tally)
        if self.subject.unread and not verdict.red:
            compared = f"agreement of {self.subject.name} with {self.subject.against} was asked for and is not complete"
            return f"{compared}: {some(self.subject.unread)} was not read; say it with --read, or wrap the layer"
        if verdict.verdict in ("not_claimed", "not_applicable"):
            asked = f"agreement of {self.subject.name} with {self.subject.against} was asked for and could not be checked"
            names = "name the parameters as torch does (weight_ih_l0, weight_hh_l0, ...), "
            own = self.subject.of_its_own or not self.subject.reference.offers("load")
            return f"{asked}: {verdict.reason}; {'' if own else names}or leave --against out"
        return None

    def verdict(self, tally: PropertyTally) -> Verdict:
        """What is concluded of one property."""
        return verdict_of(tally, self._why_not)

    @cached_property
    def _anything(self) -> list[Any]:
        """Cases of a subject that claims everything: what a property could have applied to."""
        everything = replace(self.subject, claims={f: Claim(True, "declared") for f in self.subject.claims}, fixed=None)
        return list(islice(plan(everything, self.settings.dtypes, 2, 0, self.device), 60))

    @cached_property
    def _own(self) -> list[Any]:
        """The first of its own cases, whether or not there was time for them."""
        return list(islice(self.cases(), 60))

    def _lost(self) -> str:
        """What a probe that did not end says: it may be that which took the time."""
        called = self.subject.claims.get(CALLED[self.subject.kind])
        return f"{called.why}; " if called is not None and called.offered and called.why else ""

    def _why_not(self, tally: PropertyTally) -> tuple[Status, str]:
        """Why a property was checked on no case at all."""
        prop = tally.prop
        if tally.refused:
            return "not_claimed", tally.refused
        lacking = self.subject.lacks(prop.needs)
        if lacking is not None:
            return "not_claimed", lacking
        if tally.barred:
            culprits = sorted(set(tally.barred))
            warned = all(self.tallies[one].warning for one in culprits)  # nobody promised it, so nothing is missing
            return (
                "not_applicable" if warned else "not_reached",
                f"the subject raised on every case tried: see {', '.join(culprits)}",
            )
        if self.given_up:
            return "not_reached", self.given_up
        if tally.silent:
            return "not_applicable", tally.silent
        if tally.cut:
            return "not_reached", tally.cut
        cases = (case for case in (*self._own, *self._anything) if prop.applies(case))
        outside = [out_of_claim(prop, self.subject, case) for case in cases]
        if None in outside:
            return "not_reached", f"{self._lost()}{NO_CASE}"
        for unclaimed in filter(None, outside):
            return unclaimed.status, unclaimed.reason or ""
        return "not_applicable", f"applies to: {prop.applies.words}"
