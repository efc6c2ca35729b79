"""Which property is checked on which subject, on which cases, under which budget; and what is concluded."""

import datetime
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, islice
from pathlib import Path
from typing import Any

from rnncheck import store
from rnncheck.deviation import Deviation
from rnncheck.engine.signals import termination_interrupts
from rnncheck.engine.work import GIVE_UP, Done, Engine, Job
from rnncheck.judge import out_of_claim
from rnncheck.property import Property
from rnncheck.report.model import Coverage, Report, SubjectReport
from rnncheck.repro import reproduces
from rnncheck.strategies.plan import plan
from rnncheck.strategies.structure import Ledger, rows
from rnncheck.subject import Claim, Subject
from rnncheck.verdict import Outcome, Verdict

BLOCK = 4
"""Cases in one job: small enough for two workers to share evenly, large enough that talking costs nothing."""
COST_OF_A_CASE = 20
"""A property that costs this many runs is checked on every case it applies to; one of ten times that on every tenth."""


@dataclass(frozen=True)
class Profile:
    """How far to go: strength of the covering array, cases a subject, seconds a subject, attempts at shrinking."""

    name: str
    strength: int
    cases: int
    seconds: float
    attempts: int = 300


PROFILES = {
    "smoke": Profile("smoke", 2, 40, 20.0, 150),
    "ci": Profile("ci", 3, 250, 60.0),
    "nightly": Profile("nightly", 3, 10_000, 1800.0, 1000),
}


@dataclass(frozen=True)
class Settings:
    """What a campaign is told; ``budget`` is seconds of wall time for all of it, None for the profile's."""

    properties: tuple[Property, ...]
    profile: Profile = PROFILES["ci"]
    seed: int = 0
    budget: float | None = None
    dtypes: tuple[str, ...] = ("float32", "float64", "bfloat16", "float16")
    device: str = "cpu"
    deviations: tuple[Deviation, ...] = ()
    folder: Path | None = None
    repro: Path | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


Progress = Callable[[str, int, int], None]
"""Told (what is being done, cases done, cases planned)."""


@dataclass
class Account:
    """All that is known so far about one property on one subject."""

    prop: Property
    cases: int = 0
    applicable: int = 0
    used: float | None = None
    failed: tuple[Any, Outcome] | None = None
    deviated: tuple[Any, Outcome, Deviation] | None = None
    shrunk: Done | None = None
    stored: Path | None = None
    script: Path | None = None
    alone: str | None = None
    refused: str | None = None
    missed: str | None = None

    def share(self) -> int:
        """Checked on every ``share``-th case that it applies to."""
        return max(1, self.prop.cost // COST_OF_A_CASE)

    def wants(self) -> bool:
        """Whether this applicable case is one to check: the first, and then one of ``share``."""
        self.applicable += 1
        start = zlib.crc32(self.prop.id.encode()) % self.share()
        return self.failed is None and (self.applicable - 1) % self.share() in (0, start)[: 1 + (self.applicable > 1)]

    def enter(self, case: Any, outcome: Outcome, deviations: Sequence[Deviation]) -> bool:
        """Take note of an outcome; whether it counts: what comes after a failure does not, since that depends on the order."""
        if outcome.status == "not_claimed":
            self.refused = outcome.reason
        if outcome.status == "not_reached":
            self.missed = outcome.reason
        if self.failed is not None or outcome.status in ("not_applicable", "not_claimed", "not_reached"):
            return False
        self.cases += 1
        if outcome.red:
            known = next((d for d in deviations if d.property == self.prop.id and d.covers(case)), None)
            if known is None:
                self.failed = (case, outcome)
            elif self.deviated is None:
                self.deviated = (case, outcome, known)
        elif outcome.budget_used is not None:
            self.used = max(self.used or 0.0, outcome.budget_used)
        return True


@dataclass
class Docket:
    """One subject's part of a campaign: its accounts, its ledger, and the cases still to come."""

    index: int
    subject: Subject
    settings: Settings
    deviations: list[Deviation]
    accounts: dict[str, Account] = field(default_factory=dict)
    seconds: float = 0.0
    done: int = 0
    planned: int = 0
    crashes: int = 0
    given_up: str | None = None

    def __post_init__(self) -> None:
        wanted = [p for p in self.settings.properties if (p.family == "clip") == (self.subject.kind == "clip")]
        self.accounts = {p.id: Account(p) for p in sorted(wanted, key=lambda p: p.cost)}
        structure = rows(self.subject, self.settings.dtypes, self.settings.profile.strength, self.settings.device)
        self.ledger = Ledger.over(structure if self.subject.kind == "layer" else [], self.settings.profile.strength)
        self.planned = self.settings.profile.cases

    def cases(self) -> Iterator[Any]:
        """The planned cases, in order."""
        found = plan(self.subject, self.settings.dtypes, self.settings.profile.strength, self.settings.seed, self.settings.device)
        return islice(found, self.planned)

    def jobs(self, numbers: Iterator[int]) -> Iterator[Job]:
        """The planned cases in blocks, each case with the properties that are to be checked on it."""
        cases = self.cases()
        while (block := tuple(islice(cases, BLOCK))) and self.given_up is None:
            yield Job(next(numbers), "judge", self.index, block, tuple(self.properties_for(case) for case in block))

    def properties_for(self, case: Any) -> tuple[str, ...]:
        """Which properties to check on this case, cheap ones first."""
        return tuple(
            id for id, account in self.accounts.items()
            if out_of_claim(account.prop, self.subject, case) is None and account.wants()
        )  # fmt: skip

    def enter(self, done: Done) -> None:
        """Take note of a finished job, up to where the subject is given up: how far the work ran ahead does not matter."""
        self.seconds += done.seconds
        self.done += 0 if self.given_up else len(done.job.cases)
        for place, outcome in done.outcomes:
            case, account = done.job.cases[place], self.accounts[outcome.property]
            if self.given_up is not None or not account.enter(case, outcome, self.deviations):
                continue
            self.crashes += account.failed is not None and outcome.status in ("crashed", "hung")
            if self.subject.kind == "layer" and outcome.status in ("holds", "fails"):
                self.ledger.visit(case)
            if self.crashes >= GIVE_UP:
                self.given_up = f"given up after {self.crashes} crashes or hangs"

    def report(self) -> SubjectReport:
        """Every verdict, in the order of the catalog."""
        ledger = self.ledger.to_json()
        verdicts = tuple(self.verdict(self.accounts[p.id]) for p in self.settings.properties if p.id in self.accounts)
        cases = max((account.cases for account in self.accounts.values()), default=0)
        coverage = Coverage(ledger["strength"], ledger["combinations"], ledger["covered"])
        return SubjectReport(self.subject.name, dict(self.subject.claims), self.seconds, max(cases, self.done), coverage, verdicts)

    def verdict(self, account: Account) -> Verdict:
        """What is concluded of one property."""
        prop = account.prop
        blank = Verdict(prop.id, "holds", prop.kind, account.cases, account.used, prop.statement)
        if account.failed is not None:
            return self._red(account, blank)
        if account.deviated is not None:
            case, outcome, why = account.deviated
            return blank.but(verdict="deviates", case=case, mismatch="\n".join(outcome.mismatches) or None, reason=str(why))
        if account.cases:
            return blank
        if account.missed:
            return blank.but(verdict="not_reached", reason=account.missed, budget_used=None)
        status, reason = ("not_claimed", account.refused) if account.refused else self._why_not(prop)
        return blank.but(verdict=status, reason=reason, budget_used=None)

    def _red(self, account: Account, blank: Verdict) -> Verdict:
        assert account.failed is not None
        case, outcome = account.failed
        told = blank.but(verdict=outcome.status, case=case, budget_used=outcome.budget_used,
                         stored=None if account.stored is None else str(account.stored),
                         repro=None if account.script is None else str(account.script))
        if account.shrunk is not None and account.shrunk.shrunk is not None:
            smallest, explanation = account.shrunk.shrunk, account.shrunk.explanation
            outcome = next((o for _, o in account.shrunk.outcomes if o.red), outcome)
            told = told.but(case=smallest.case, irrelevant=smallest.irrelevant, verdict=outcome.status,
                            budget_used=outcome.budget_used,
                            location=explanation and explanation.location, diagnosis=explanation and explanation.diagnosis)
        reasons = [line for line in (outcome.reason, account.alone) if line]
        return told.but(mismatch="\n".join(outcome.mismatches) or None, reason="\n".join(reasons) or None)

    def _why_not(self, prop: Property) -> tuple[Any, str]:
        """Why a property was checked on no case at all."""
        if self.given_up:
            return "not_reached", self.given_up
        lacking = self.subject.lacks(prop.needs)
        if lacking is not None:
            return "not_claimed", lacking
        everything = replace(self.subject, claims={f: Claim(True, "declared") for f in self.subject.claims}, fixed=None)
        modest = islice(plan(everything, self.settings.dtypes, 2, 0, self.settings.device), 60)
        applying = [case for case in modest if prop.applies(case)]
        for case in applying:
            refusal = self.subject.refuses(case)
            if refusal is None:
                return "not_reached", "the budget ended before a case that it applies to"
        if applying:
            return "not_claimed", self.subject.refuses(applying[0]) or ""
        return "not_applicable", f"applies to: {prop.applies.words}"


class Campaign:
    """Runs every docket's jobs on an engine until they are done or the time is up, then shrinks what failed."""

    def __init__(self, subjects: Sequence[Subject], settings: Settings, progress: Progress | None = None) -> None:
        self.settings = settings
        self.progress = progress or (lambda what, done, planned: None)
        self.dockets = [Docket(i, subject, settings, self._deviations(subject)) for i, subject in enumerate(subjects)]
        seconds = settings.budget if settings.budget is not None else settings.profile.seconds * max(1, len(subjects))
        self.started = time.monotonic()
        self.deadline = self.started + seconds
        self.numbers = count()
        self.stopped: str | None = None
        self.note: str | None = None
        self.stale: list[str] = []
        self.mended: list[str] = []

    def _deviations(self, subject: Subject) -> list[Deviation]:
        return [d for d in self.settings.deviations if d.subject is None or d.subject == subject.name]

    def run(self, engine: Engine) -> Report:
        """Everything, in order; what is known when it is stopped is in the report all the same."""
        self.note = engine.note
        try:
            with termination_interrupts():
                self.replay(engine)
                self.judge(engine)
                self.shrink(engine)
        except KeyboardInterrupt:
            self.stopped = "interrupted"
        finally:
            engine.close()
        return self.report()

    def _results(self, engine: Engine, jobs: Iterable[Job]) -> Iterator[Done]:
        """What comes of the jobs; that something was lost on the way is told at the end."""
        for done in engine.run(jobs):
            self.stopped = self.stopped or done.lost
            yield done

    def replay(self, engine: Engine) -> None:
        """What failed last time comes first, and the stored cases of declared deviations."""
        jobs = [*self._stored_jobs(), *self._deviation_jobs()]
        held = {job.index: what for job, what in jobs}
        for done in self._results(engine, (self._in_time(job) for job, _ in jobs)):
            docket, what = self.dockets[done.job.subject], held[done.job.index]
            still = any(outcome.red for _, outcome in done.outcomes)
            if isinstance(what, Deviation):
                if not still and done.outcomes:
                    self.stale.append(f"{what.property} on {docket.subject.name}: the declared deviation no longer occurs ({what})")
            elif not still and done.outcomes:
                self._mend(what)
            docket.enter(done)
            self._save(docket)

    def _stored_jobs(self) -> list[tuple[Job, Any]]:
        if self.settings.folder is None:
            return []
        stored, complaints = store.load_all(self.settings.folder / "failing")
        self.mended += complaints
        return [
            (Job(next(self.numbers), "judge", docket.index, (item.case,), ((item.property,),)), item)
            for docket in self.dockets for item in stored
            if item.target == docket.subject.name and item.property in docket.accounts
            and docket.subject.kind == item.kind
        ]  # fmt: skip

    def _deviation_jobs(self) -> list[tuple[Job, Any]]:
        jobs: list[tuple[Job, Any]] = []
        for docket in self.dockets:
            for deviation in docket.deviations:
                if deviation.expired(datetime.date.today()):
                    self.stale.append(f"{deviation.property} on {docket.subject.name}: the deviation expired on {deviation.expires}")
                if deviation.case is not None and deviation.property in docket.accounts:
                    case = store.case_from_json(docket.subject.kind, deviation.case)
                    jobs.append((Job(next(self.numbers), "judge", docket.index, (case,), ((deviation.property,),)), deviation))
        return jobs

    def _mend(self, item: store.Stored) -> None:
        if not item.mended:
            self.mended.append(f"{item.property} on {item.target}: the stored case holds now")
            self._write(replace(item, mended=True))

    def judge(self, engine: Engine) -> None:
        """All dockets in turn, a block each, until nothing is planned or the time is up."""
        planned = sum(docket.planned for docket in self.dockets)
        for done in self._results(engine, self._turns()):
            docket = self.dockets[done.job.subject]
            docket.enter(done)
            self._save(docket)
            self.progress(docket.subject.name, sum(d.done for d in self.dockets), planned)

    def _turns(self) -> Iterator[Job]:
        waiting = [docket.jobs(self.numbers) for docket in self.dockets]
        while waiting:
            for jobs in list(waiting):
                if time.monotonic() > self._end_of_judging():
                    return
                job = next(jobs, None)
                if job is None:
                    waiting.remove(jobs)
                else:
                    yield self._in_time(job)

    def _in_time(self, job: Job) -> Job:
        """The job, to be left unfinished where the time is up."""
        return replace(job, seconds=max(0.0, self._end_of_judging() - time.monotonic()))

    def _end_of_judging(self) -> float:
        """A fifth of the time is kept for shrinking once there is something to shrink."""
        failing = any(account.failed for docket in self.dockets for account in docket.accounts.values())
        return self.deadline - (0.2 * (self.deadline - self.started) if failing else 0.0)

    def _save(self, docket: Docket) -> None:
        """A failing case is on disk before anything else happens to it."""
        for account in docket.accounts.values():
            if account.failed is not None and account.stored is None and self.settings.folder is not None:
                case = account.failed[0]
                item = store.Stored(account.prop.id, docket.subject.name, docket.subject.kind, case, docket.subject.against)
                account.stored = self._write(item)

    def _write(self, item: store.Stored) -> Path | None:
        assert self.settings.folder is not None
        try:
            return store.save(item, self.settings.folder / "failing")
        except OSError as error:
            self.stopped = f"failing cases could not be saved under {self.settings.folder}: {error}"
            return None

    def shrink(self, engine: Engine) -> None:
        """Each failing property by itself, from the case that failed."""
        failing = [(d, a) for d in self.dockets for a in d.accounts.values() if a.failed is not None]
        accounts = {}
        jobs = []
        for docket, account in failing:
            assert account.failed is not None
            job = Job(next(self.numbers), "shrink", docket.index, (account.failed[0],), ((account.prop.id,),),
                      self.settings.profile.attempts, self._shrink_seconds(len(failing)))
            accounts[job.index] = (docket, account)
            jobs.append(job)
        for done in self._results(engine, jobs):
            docket, account = accounts[done.job.index]
            account.shrunk = done
            if done.shrunk is not None and self.settings.folder is not None:
                item = store.Stored(account.prop.id, docket.subject.name, docket.subject.kind, done.shrunk.case, docket.subject.against)
                account.stored = self._write(item) or account.stored
            self._write_script(docket, account)
            self.progress(f"shrinking {account.prop.id}", 0, 0)

    def _write_script(self, docket: Docket, account: Account) -> None:
        """The standalone script, run once by itself before it is handed over."""
        if self.settings.repro is None or account.shrunk is None or account.shrunk.explanation is None:
            return
        text = account.shrunk.explanation.script
        if text is None:
            account.alone = "no standalone script: the failure cannot be written down as a few calls"
            return
        file = self.settings.repro / store.file_name(account.prop.id, docket.subject.name, ".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        account.script, account.alone = file, reproduces(file)

    def _shrink_seconds(self, failing: int) -> float:
        return max(1.0, min(10.0, (self.deadline - time.monotonic()) / max(1, failing)))

    def report(self) -> Report:
        """What is known by now."""
        s = self.settings
        stale = [*self.stale, *self._unmatched()]
        environment = {**s.environment, **({"engine": self.note} if self.note else {})}
        return Report(environment, s.seed, s.profile.name, tuple(docket.report() for docket in self.dockets),
                      self.stopped, s.missing, tuple(stale), tuple(self.mended))

    def _unmatched(self) -> list[str]:
        """Deviations whose property exists nowhere in this campaign, though all properties were asked for."""
        known = {id for docket in self.dockets for id in docket.accounts}
        return [f"{d.property}: a deviation is declared, but there is no such property" for d in self.settings.deviations
                if d.property not in known and d.subject is None]
