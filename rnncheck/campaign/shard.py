"""A part of a run: every fifth case, say, in a process or on a machine of its own, with all that a merge has to know of it.

A shard plans the whole run and checks its own cases. Its JSON report has each outcome, so that ``rnncheck merge`` can conclude
from all of them what one run would conclude (rnncheck/campaign/merge.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import inf, isinf
from typing import Any, Literal

import msgspec

from rnncheck.campaign.settings import Profile, Settings
from rnncheck.core.config import Config, Mode
from rnncheck.core.deviation import Deviation
from rnncheck.core.subject import Claim, Subject
from rnncheck.core.verdict import LARGEST, Outcome
from rnncheck.engine.jobs import Done
from rnncheck.errors import UsageError
from rnncheck.judging.explain import Explanation


@dataclass(frozen=True)
class Check:
    """What came of one property on one case: the case by its place in the plan, or in full where it is none of the plan's."""

    place: int
    outcome: Outcome
    case: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Smallest:
    """What shrinking came to: from the case ``begin`` to ``case``; with no case there was no time for it."""

    property: str
    begin: Mapping[str, Any]
    explanation: Explanation | None = None
    outcome: Outcome | None = None
    case: Mapping[str, Any] | None = None
    attempts: int = 0
    irrelevant: tuple[str, ...] = ()
    needs: tuple[str, ...] | None = None


@dataclass(frozen=True)
class SubjectPart:
    """One subject in a shard: what it is, as far as a plan depends on it, and what came of its checks.

    left: its planned cases that there was no time for
    """

    name: str
    kind: Literal["layer", "clip", "step", "pair"]
    device: str
    modes: tuple[Mode, ...]
    claims: Mapping[str, Claim]
    reading: str | None
    fixed: Config | None = None
    nature: Mapping[str, Any] = field(default_factory=dict)
    against: str | None = None
    seconds: float = 0.0
    left: int = 0
    checks: tuple[Check, ...] = ()
    smallest: tuple[Smallest, ...] = ()
    drop_in: bool = False

    def subject(self) -> Subject:
        """Return the subject without what builds it: nothing is imported."""
        reference = None if self.against is None else Subject(self.against, self.kind, None, self.modes, place=self.against)
        return Subject(
            self.name, self.kind, None, self.modes, self.claims, self.fixed, reference=reference, nature=self.nature,
            drop_in=self.drop_in, place=self.name,
        )  # fmt: skip


@dataclass(frozen=True)
class Part:
    """All that a merge has to know of a shard."""

    index: int
    of: int
    profile: Profile
    properties: tuple[str, ...]
    dtypes: tuple[str, ...]
    deviations: tuple[Deviation, ...]
    subjects: tuple[SubjectPart, ...]
    strict: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return JSON types alone; what is as it is by default is left out of the outcomes."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        for told, subject in zip(data["subjects"], self.subjects, strict=True):
            told["checks"] = [_short(check) for check in subject.checks]
        return data


def part_of(settings: Settings, subjects: Sequence[SubjectPart]) -> Part:
    """Return what a merge has to know of a run with these settings."""
    assert settings.shard is not None
    ids = tuple(prop.id for prop in settings.properties)
    return Part(
        settings.shard.index,
        settings.shard.of,
        settings.profile,
        ids,
        settings.dtypes,
        settings.deviations,
        tuple(subjects),
        settings.strict,
    )


def all_there(indices: Sequence[int], of: int) -> None:
    """Raise UsageError unless each of ``of`` parts is there once."""
    wanted = range(1, of + 1)
    if sorted(indices) == list(wanted):
        return
    lacking = [f"{i}/{of}" for i in wanted if i not in indices]
    twice = [f"{i}/{of}" for i in wanted if indices.count(i) > 1]
    said = f"missing: {', '.join(lacking)}" if lacking else f"given twice: {', '.join(twice)}"
    raise UsageError(f"{len(indices)} files, but should be one for each of {of} shards; {said}")


def smallest_of(done: Done) -> Smallest:
    """Return what came of a job that made a case smaller."""
    found = Smallest(done.job.properties[0][0], done.job.cases[0].to_json(), done.explanation)
    outcome = next((outcome for _, outcome in done.outcomes if outcome.red), None)
    if done.shrunk is None:
        return replace(found, outcome=outcome and finite(outcome))
    return replace(
        found, outcome=outcome and finite(outcome), case=done.shrunk.case.to_json(), attempts=done.shrunk.attempts,
        irrelevant=done.shrunk.irrelevant, needs=done.shrunk.needs,
    )  # fmt: skip


def finite(outcome: Outcome) -> Outcome:
    """Return the outcome without infinities, which JSON does not have."""
    course = outcome.course and tuple((min(error, LARGEST), min(allowed, LARGEST)) for error, allowed in outcome.course)
    used = outcome.budget_used
    return replace(outcome, course=course, budget_used=LARGEST if used is not None and isinf(used) else used)


def infinite(outcome: Outcome) -> Outcome:
    """Return the outcome as it was before ``finite``."""
    return replace(outcome, budget_used=inf) if outcome.budget_used == LARGEST else outcome


BLANK = asdict(Outcome("", "holds"))


def _short(check: Check) -> dict[str, Any]:
    outcome = msgspec.to_builtins(finite(check.outcome))
    told = {name: value for name, value in outcome.items() if name in ("property", "status") or value not in (BLANK[name], [])}
    return {"place": check.place, "outcome": told, **({} if check.case is None else {"case": check.case})}
