"""All that is known so far about one property on one subject, and which cases it is checked on."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from rnncheck.core.case import Case
from rnncheck.core.deviation import Deviation
from rnncheck.core.property import Property
from rnncheck.core.subject import Subject
from rnncheck.core.verdict import Outcome
from rnncheck.engine.jobs import Done
from rnncheck.strategies.cliffs import is_huge, is_large, is_narrow

CHEAP, NARROW = 2, 4
"""Runs of a property that is checked on large cases too, and on such as are long but narrow."""
COST_OF_A_CASE = 10
"""A property that costs this many runs is checked on every case it applies to; one of ten times that on every tenth."""


def too_large(prop: Property, case: Any, *, fixed: bool = False, chunk: int = 1) -> bool:
    """Whether a case is not for this property: on large ones it looks at few runs, on huge ones at one, or is about them.

    chunk: the steps that count as one, where a subject takes no fewer
    """
    if isinstance(case, Case) and chunk > 1:
        case = case.but(time=case.time // chunk, lengths=None)
    if not isinstance(case, Case) or prop.stratum == "cliffs" or not is_large(case, fixed=fixed):
        return False
    return prop.cost > (1 if is_huge(case, fixed=fixed) else NARROW if is_narrow(case, fixed=fixed) else CHEAP)


def promised(prop: Property, subject: Subject) -> bool:
    """Whether a convention is a contract of this subject: it replaces torch's layers, or shows in its code that it keeps it."""
    replaces = subject.drop_in and (subject.reference is not None or not prop.by_choice)
    return bool(subject.nature.get(prop.promised)) or (replaces and prop.torchs)


@dataclass
class PropertyTally:
    """All that is known so far about one property on one subject."""

    prop: Property
    strict: bool = False
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
    unshrunk: str | None = None
    refused: str | None = None
    lacking: str | None = None
    missed: str | None = None
    cut: str | None = None
    elsewhere: bool = False
    undecided: str | None = None
    silent: str | None = None
    barred: list[str] = field(default_factory=list)
    seen_rich: bool = False
    shard: bool = False

    @property
    def over(self) -> bool:
        """Return whether no further case counts; in a shard one does after an error, which another shard may have met first."""
        return self.failed is not None and not self._may_be_worse and not (self.shard and self.failed[1].cause is not None)

    @property
    def warning(self) -> str | None:
        """What to warn of where a convention is not kept; None where nothing failed, or what did is red."""
        return None if self.failed is None else self._warning_of(self.failed[1])

    def _warning_of(self, outcome: Outcome) -> str | None:
        if self.strict or outcome.status not in ("fails", "errored"):
            return None
        return self.prop.warns_of(outcome.differing)

    @property
    def _may_be_worse(self) -> bool:
        """Whether it was only warned of so far, and another case may show what is no matter of convention."""
        return bool(self.prop.lenient) and self.warning is not None

    @property
    def red(self) -> bool:
        """Whether it failed, and not only by a convention."""
        return self.failed is not None and self.warning is None

    def share(self) -> int:
        """Checked on every ``share``-th case that it applies to."""
        return max(1, self.prop.cost // COST_OF_A_CASE)

    def wants(self, case: Any, *, fixed: bool = False, vague: bool = False, rich: bool = False, chunk: int = 1) -> bool:
        """Whether this applicable case is one to check: the first, the first ``rich`` one, and then one of ``share``.

        On ``vague`` ones, of which most likely nothing can be said, nothing is checked that is checked seldom.
        """
        if (vague and self.share() > 1) or too_large(self.prop, case, fixed=fixed, chunk=chunk):
            return False
        self.applicable += 1
        turn = zlib.crc32(self.prop.id.encode()) % self.share()  # for each property another
        first = self.applicable == 1 or (rich and not self.seen_rich)
        self.seen_rich |= rich
        return not self.over and (first or self.applicable % self.share() == turn)

    def enter(self, case: Any, outcome: Outcome, deviations: Sequence[Deviation]) -> bool:
        """Take note of an outcome; whether it counts: what comes after a failure does not, since that depends on the order.

        After a warning, cases go on to count, and a failure that is no matter of convention takes its place.
        """
        if outcome.status == "not_claimed":
            self.refused = outcome.reason
            self.lacking = outcome.reason if outcome.elsewhere else self.lacking
        if outcome.undecided:  # of some cases: what counts is whether it is so of all
            self.undecided = outcome.reason
        elif outcome.status == "not_reached":
            self.missed, self.elsewhere = outcome.reason, outcome.elsewhere
        if outcome.status == "not_applicable":
            self.silent = outcome.reason
        told = self.failed is not None and not self._may_be_worse
        if told or outcome.status in ("not_applicable", "not_claimed", "not_reached"):
            return False
        self.cases += 1
        if outcome.red:
            known = next((d for d in deviations if d.property == self.prop.id and d.covers(case)), None)
            if known is None:
                self.failed = (case, outcome) if self.failed is None or self._warning_of(outcome) is None else self.failed
            elif self.deviated is None:
                self.deviated = (case, outcome, known)
        elif outcome.budget_used is not None:
            self.used = max(self.used or 0.0, outcome.budget_used)
        if outcome.budget_used is not None and outcome.budget_used < inf:
            self.by_dtype[case.dtype] = max(self.by_dtype.get(case.dtype, 0.0), outcome.budget_used)
        return True


def kind_of(case: Any, subject: Subject) -> dict[str, Any]:
    """What of a case decides whether a property is to be checked on it.

    fixed: the layer's own sizes are given; vague: what is allowed must be measured on the subject itself, in two digits:
    that is more than can be told; rich: it has several layers and both directions, as far as the subject offers them;
    chunk: the steps that count as one
    """
    if not isinstance(case, Case):
        return {}
    other = subject.offers("float32") and not subject.offers("load")
    stacked = case.config.num_layers > 1 or not subject.offers("layers")
    both_ways = case.config.bidirectional or not subject.offers("bidirectional")
    return {
        "fixed": subject.fixed is not None, "vague": other and case.dtype == "bfloat16", "rich": stacked and both_ways,
        "chunk": subject.steps,
    }  # fmt: skip
