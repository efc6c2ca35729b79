"""The settings of a campaign: how far to go, with what, and where to keep its findings."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rnncheck.core.deviation import Deviation
from rnncheck.core.property import Property

UNHURRIED = 900.0
"""Seconds that a run has at least where a number of cases ends it."""


@dataclass(frozen=True)
class Profile:
    """How far to go: strength of the covering array, cases a subject, seconds a subject, attempts at shrinking.

    whole: cases that are done before properties that take seconds are begun
    total: seconds for all subjects together, however many they are; None where each has its own
    dear: whether properties are checked that nobody chose, and that need a compiler, an export or forward mode
    """

    name: str
    strength: int
    cases: int
    seconds: float
    attempts: int = 300
    whole: int = 10
    total: float | None = None
    dear: bool = True

    def unhurried(self) -> "Profile":
        """Return the same for a run that a number of cases ends: with so much time that only what hangs takes all of it."""
        return replace(self, seconds=max(UNHURRIED, 10 * self.seconds), total=self.total and max(UNHURRIED, 10 * self.total))


PROFILES = {
    "smoke": Profile("smoke", 2, 40, 12.0, 150, whole=2, dear=False),
    "quick": Profile("quick", 2, 60, 12.0, 150, whole=1, total=80.0),
    "ci": Profile("ci", 3, 300, 60.0),
    "nightly": Profile("nightly", 3, 10_000, 1800.0, 1000),
}


@dataclass(frozen=True)
class Shard:
    """The part ``index`` (from 1) of ``of`` parts of a run."""

    index: int
    of: int

    def takes(self, place: int) -> bool:
        """Return whether the case at this place of the plan belongs to this part."""
        return place % self.of == self.index - 1


@dataclass(frozen=True)
class Settings:
    """The settings of a campaign; ``budget`` is seconds of wall time for all of it, None for the profile's.

    shard: which part of the cases is checked; None for all of them
    strict: whether conventions are contracts, whatever the subject
    """

    properties: tuple[Property, ...]
    profile: Profile = PROFILES["ci"]
    seed: int = 0
    budget: float | None = None
    dtypes: tuple[str, ...] = ("float32", "float64", "bfloat16", "float16")
    deviations: tuple[Deviation, ...] = ()
    folder: Path | None = None
    repro: Path | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    shard: Shard | None = None
    strict: bool = False

    def seconds(self, subjects: int) -> float:
        """Return the wall time for this number of subjects: the budget, or else the profile's for each."""
        if self.budget is not None:
            return self.budget
        return self.profile.total or self.profile.seconds * max(1, subjects)
