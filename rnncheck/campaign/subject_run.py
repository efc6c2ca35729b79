"""One subject's part of a campaign: what is known of each property so far, and what is concluded."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from math import inf
from pathlib import Path
from typing import Any

from rnncheck.backend.devices import is_here
from rnncheck.campaign.settings import Settings
from rnncheck.core.case import Case
from rnncheck.core.deviation import Deviation
from rnncheck.core.property import Property
from rnncheck.core.subject import Claim, Subject
from rnncheck.core.verdict import Outcome, Verdict
from rnncheck.engine.jobs import GIVE_UP, Done, Job
from rnncheck.judging.judge import out_of_claim
from rnncheck.report.model import Coverage, SubjectReport
from rnncheck.strategies.cliffs import is_huge, is_large
from rnncheck.strategies.plan import plan
from rnncheck.strategies.structure import Ledger, rows

SHOWN = 24
"""Cases of which a report may show what went on inside."""
BLOCK = 4
"""Cases in one job: small enough for two workers to share evenly, large enough that talking costs nothing."""
CHEAP = 2
"""Runs of a property that is checked on large cases too."""
LOOKED_THROUGH = 300
"""Of a subject whose probe ended badly, so many planned cases are looked through for some that a property applies to."""
HUNG = "its probe did not end: hung"
JUDGED = ("holds", "fails", "errored", "crashed", "hung")
"""Outcomes of a case on which something was looked at."""
COST_OF_A_CASE = 10
"""A property that costs this many runs is checked on every case it applies to; one of ten times that on every tenth."""


def too_large(prop: Property, case: Any, *, fixed: bool = False) -> bool:
    """Whether a case is not for this property: on large ones it looks at one or two runs, on huge ones at one, or is about them."""
    if not isinstance(case, Case) or prop.stratum == "cliffs" or not is_large(case, fixed=fixed):
        return False
    return prop.cost > (1 if is_huge(case, fixed=fixed) else CHEAP)


@dataclass
class Account:
    """All that is known so far about one property on one subject."""

    prop: Property
    cases: int = 0
    applicable: int = 0
    used: float | None = None
    by_dtype: dict[str, float] = field(default_factory=dict)
    failed: tuple[Any, Outcome] | None = None
    deviated: tuple[Any, Outcome, Deviation] | None = None
    shrunk: Done | None = None
    stored: Path | None = None
    script: Path | None = None
    test: Path | None = None
    alone: str | None = None
    refused: str | None = None
    lacking: str | None = None
    missed: str | None = None
    elsewhere: bool = False
    undecided: str | None = None
    silent: str | None = None
    barred: list[str] = field(default_factory=list)
    seen_rich: bool = False

    def share(self) -> int:
        """Checked on every ``share``-th case that it applies to."""
        return max(1, self.prop.cost // COST_OF_A_CASE)

    def wants(self, case: Any, *, fixed: bool = False, vague: bool = False, rich: bool = False) -> bool:
        """Whether this applicable case is one to check: the first, the first ``rich`` one, and then one of ``share``.

        On ``vague`` ones, of which most likely nothing can be said, nothing is checked that is checked seldom.
        """
        if (vague and self.share() > 1) or too_large(self.prop, case, fixed=fixed):
            return False
        self.applicable += 1
        turn = zlib.crc32(self.prop.id.encode()) % self.share()  # for each property another
        first = self.applicable == 1 or (rich and not self.seen_rich)
        self.seen_rich |= rich
        return self.failed is None and (first or self.applicable % self.share() == turn)

    def enter(self, case: Any, outcome: Outcome, deviations: Sequence[Deviation]) -> bool:
        """Take note of an outcome; whether it counts: what comes after a failure does not, since that depends on the order."""
        if outcome.status == "not_claimed":
            self.refused = outcome.reason
            self.lacking = outcome.reason if outcome.elsewhere else self.lacking
        if outcome.undecided:  # of some cases: what counts is whether it is so of all
            self.undecided = outcome.reason
        elif outcome.status == "not_reached":
            self.missed, self.elsewhere = outcome.reason, outcome.elsewhere
        if outcome.status == "not_applicable":
            self.silent = outcome.reason
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
        if outcome.budget_used is not None and outcome.budget_used < inf:
            self.by_dtype[case.dtype] = max(self.by_dtype.get(case.dtype, 0.0), outcome.budget_used)
        return True


def kind_of(case: Any, subject: Subject) -> dict[str, bool]:
    """What of a case decides whether a property is to be checked on it.

    fixed: the layer's own sizes are given; vague: what is allowed must be measured on the subject itself, in two digits:
    that is more than can be told; rich: it has several layers and both directions, as far as the subject offers them
    """
    if not isinstance(case, Case):
        return {}
    other = subject.offers("float32") and not subject.offers("load")
    stacked = case.config.num_layers > 1 or not subject.offers("layers")
    both_ways = case.config.bidirectional or not subject.offers("bidirectional")
    return {
        "fixed": subject.fixed is not None, "vague": other and case.dtype == "bfloat16", "rich": stacked and both_ways,
    }  # fmt: skip


@dataclass
class Docket:
    """One subject's part of a campaign: its accounts, its ledger, and the cases still to come."""

    index: int
    subject: Subject
    device: str
    settings: Settings
    deviations: list[Deviation]
    accounts: dict[str, Account] = field(default_factory=dict)
    seconds: float = 0.0
    done: int = 0
    judged: int = 0
    planned: int = 0
    all_taken: bool = False
    crashes: int = 0
    shown: list[Any] = field(default_factory=list)
    causes: dict[str, str] = field(default_factory=dict)
    given_up: str | None = None

    def __post_init__(self) -> None:
        wanted = [p for p in self.settings.properties if (p.family == "clip") == (self.subject.kind == "clip")]
        self.accounts = {p.id: Account(p) for p in sorted(wanted, key=lambda p: p.cost)}
        structure = rows(self.subject, self.settings.dtypes, self.settings.profile.strength, self.device)
        self.ledger = Ledger.over(structure if self.subject.kind == "layer" else [], self.settings.profile.strength)
        self.planned = self.settings.profile.cases
        self.given_up = None if is_here(self.device) else f"there is no device {self.device} here"

    def has(self, device: str) -> bool:
        """Whether this is about that device, or another of the same kind."""
        return device.partition(":")[0] == self.device.partition(":")[0]

    def cases(self) -> Iterator[Any]:
        """The planned cases, in order; where nothing is known but that the probe ended badly, those that some property can be
        checked on.
        """
        found = plan(
            self.subject, self.settings.dtypes, self.settings.profile.strength, self.settings.seed, self.device
        )
        if self._lost():
            found = (case for case in islice(found, LOOKED_THROUGH) if self._is_for_some(case))
        return islice(found, self.planned)

    def _is_for_some(self, case: Any) -> bool:
        return any(out_of_claim(account.prop, self.subject, case) is None for account in self.accounts.values())

    def jobs(self, numbers: Iterator[int]) -> Iterator[Job]:
        """The planned cases in blocks, each case with the properties that are to be checked on it."""
        cases = self.cases()
        while (block := tuple(islice(cases, BLOCK))) and self.given_up is None:
            yield Job(next(numbers), "judge", self.index, block, tuple(self.properties_for(case) for case in block),
                      doubtful=self._lost().startswith(HUNG))  # fmt: skip
        self.all_taken = True

    def properties_for(self, case: Any) -> tuple[str, ...]:
        """Which properties to check on this case, cheap ones first."""
        kind = kind_of(case, self.subject)
        return tuple(
            id for id, account in self.accounts.items()
            if out_of_claim(account.prop, self.subject, case) is None and account.wants(case, **kind)
        )  # fmt: skip

    def enter(self, done: Done) -> None:
        """Take note of a finished job, up to where the subject is given up: how far the work ran ahead does not matter.

        What a subject raises is one defect, and told once, by the property that came upon it first. The others go by
        their other cases.
        """
        self.seconds += done.seconds
        self.done += 0 if self.given_up else len(done.job.cases)
        self.judged += 0 if self.given_up else len({place for place, outcome in done.outcomes if outcome.status in JUDGED})
        self.shown += done.job.cases if len(self.shown) < SHOWN else ()
        visited: set[int] = set()
        for place, outcome in done.outcomes:
            case, account = done.job.cases[place], self.accounts[outcome.property]
            told_by = self.causes.get(outcome.cause or "", account.prop.id)
            if told_by != account.prop.id:
                account.barred.append(told_by)
                continue
            if self.given_up is not None or not account.enter(case, outcome, self.deviations):
                continue
            if account.failed is not None and outcome.cause is not None:
                self.causes[outcome.cause] = account.prop.id
            self.crashes += account.failed is not None and outcome.status in ("crashed", "hung")
            if self.subject.kind == "layer" and outcome.status in ("holds", "fails") and place not in visited:
                self.ledger.visit(case)
                visited.add(place)
            if self.crashes >= GIVE_UP:
                self.given_up = f"given up after {self.crashes} crashes or hangs"

    def report(self) -> SubjectReport:
        """Every verdict, in the order of the catalog."""
        ledger = self.ledger.to_json()
        verdicts = tuple(self.verdict(self.accounts[p.id]) for p in self.settings.properties if p.id in self.accounts)
        coverage = Coverage(ledger["strength"], ledger["combinations"], ledger["covered"], self.ledger.pairs())
        with_known_weights = self.subject.kind == "layer" and self.subject.offers("load")
        shown = tuple(self.shown[:SHOWN]) if with_known_weights else ()
        left = 0 if self.all_taken or self.given_up else self.planned - self.done
        return SubjectReport(
            self.subject.name, dict(self.subject.claims), self.seconds, self.judged, coverage, verdicts, shown, left
        )

    def verdict(self, account: Account) -> Verdict:
        """What is concluded of one property."""
        prop = account.prop
        by_dtype = dict(account.by_dtype) or None
        blank = Verdict(prop.id, "holds", prop.kind, account.cases, account.used, prop.statement, by_dtype=by_dtype)
        if account.failed is not None:
            return self._red(account, blank)
        if account.deviated is not None:
            case, outcome, why = account.deviated
            return blank.but(
                verdict="deviates", case=case, mismatch="\n".join(outcome.mismatches) or None, reason=str(why)
            )
        if account.cases:
            raised = f"{len(account.barred)} more raised: see {', '.join(sorted(set(account.barred)))}" if account.barred else None
            return blank.but(reason=account.missed or account.lacking or raised)
        if account.missed or account.undecided:
            lacking = account.missed or account.undecided
            return blank.but(verdict="not_reached", reason=lacking, elsewhere=account.elsewhere, budget_used=None)
        status, reason = self._why_not(account)
        return blank.but(verdict=status, reason=reason, budget_used=None)

    def _red(self, account: Account, blank: Verdict) -> Verdict:
        assert account.failed is not None
        case, outcome = account.failed
        told = blank.but(
            verdict=outcome.status,
            case=case,
            budget_used=outcome.budget_used,
            course=outcome.course,
            stored=None if account.stored is None else str(account.stored),
            repro=None if account.script is None else str(account.script),
            regression_test=None if account.test is None else str(account.test),
        )
        if account.shrunk is not None and account.shrunk.shrunk is not None:
            smallest, explanation = account.shrunk.shrunk, account.shrunk.explanation
            outcome = next((o for _, o in account.shrunk.outcomes if o.red), outcome)
            told = told.but(
                case=smallest.case,
                irrelevant=smallest.irrelevant,
                verdict=outcome.status,
                budget_used=outcome.budget_used,
                location=explanation and explanation.location,
                diagnosis=explanation and explanation.diagnosis,
            )
        unexplained = account.shrunk and account.shrunk.explanation and account.shrunk.explanation.unexplained
        reasons = [line for line in (outcome.reason, account.alone, unexplained) if line]
        return told.but(mismatch="\n".join(outcome.mismatches) or None, reason="\n".join(reasons) or None)

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
        called = self.subject.claims.get("generator" if self.subject.kind == "clip" else "batched")
        return f"{called.why}; " if called is not None and called.offered and called.why else ""

    def _why_not(self, account: Account) -> tuple[Any, str]:
        """Why a property was checked on no case at all."""
        prop = account.prop
        if account.refused:
            return "not_claimed", account.refused
        if account.barred:
            return "not_reached", f"the subject raised on every case tried: see {', '.join(sorted(set(account.barred)))}"
        if self.given_up:
            return "not_reached", self.given_up
        if account.silent:
            return "not_applicable", account.silent
        lacking = self.subject.lacks(prop.needs)
        if lacking is not None:
            return "not_claimed", lacking
        applying = [case for case in self._anything if prop.applies(case)]
        if any(prop.applies(case) and self.subject.refuses(case) is None for case in (*self._own, *applying)):
            return "not_reached", f"{self._lost()}the budget ended before a case that it applies to"
        if applying:
            return "not_claimed", self.subject.refuses(applying[0]) or ""
        return "not_applicable", f"applies to: {prop.applies.words}"
