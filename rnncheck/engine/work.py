"""A piece of work and what comes of it; the same in every engine."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from rnncheck.explain import Explanation, explain
from rnncheck.judge import judge, trial_of
from rnncheck.property import Property
from rnncheck.shrink import Shrunk, shrink
from rnncheck.subject import Claim, Subject
from rnncheck.verdict import Outcome

Record = Callable[[int, str], None]
"""Called before each check with (the case's place in the job, the property's id): what a dead worker was doing."""


@dataclass(frozen=True)
class Job:
    """Work on one subject that can be done twice without harm.

    probe: find out what the subject claims
    judge: on each case the properties that stand at its place
    shrink: from the one case, which fails the one property, to the smallest; then explain it
    """

    index: int
    kind: Literal["probe", "judge", "shrink"]
    subject: int
    cases: tuple[Any, ...] = ()
    properties: tuple[tuple[str, ...], ...] = ()
    attempts: int = 0
    seconds: float = 60.0


@dataclass(frozen=True)
class Done:
    """What came of a job: outcomes by (place of the case, property), claims, or a shrunk case with its explanation.

    lost: why the worker ended before the job did ("crashed", "hung", "out of memory" and its last words), else None
    """

    job: Job
    outcomes: tuple[tuple[int, Outcome], ...] = ()
    claims: Mapping[str, Claim] | None = None
    shrunk: Shrunk | None = None
    explanation: Explanation | None = None
    seconds: float = 0.0
    lost: str | None = None


class Engine(Protocol):
    """Does jobs; results come in the order of the jobs, whatever the order they were done in."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Done]:
        """Takes jobs lazily: it never asks for many more than it can work on."""

    def close(self) -> None:
        """Leaves nothing behind."""


@dataclass(frozen=True)
class Workshop:
    """All that a worker needs: the subjects and the catalog. ``probe`` finds a subject's claims."""

    subjects: Sequence[Subject]
    catalog: Mapping[str, Property]
    probe: Callable[[Subject], Mapping[str, Claim]]

    def do(self, job: Job, record: Record = lambda place, prop: None) -> Done:
        """Do one job here and now."""
        started = time.perf_counter()
        done = {"probe": self._probe, "judge": self._judge, "shrink": self._shrink}[job.kind](job, record)
        return Done(**{**done, "job": job, "seconds": time.perf_counter() - started})

    def _probe(self, job: Job, record: Record) -> dict[str, Any]:
        record(0, "probe")
        return {"claims": self.probe(self.subjects[job.subject])}

    def _judge(self, job: Job, record: Record) -> dict[str, Any]:
        found: list[tuple[int, Outcome]] = []
        for place, case in enumerate(job.cases):
            trial = trial_of(self.subjects[job.subject], case)
            for name in job.properties[place]:
                record(place, name)
                found.append((place, judge(self.catalog[name], trial)))
        return {"outcomes": tuple(found)}

    def _shrink(self, job: Job, record: Record) -> dict[str, Any]:
        subject, prop, (first,) = self.subjects[job.subject], self.catalog[job.properties[0][0]], job.cases
        record(0, prop.id)
        status = judge(prop, trial_of(subject, first)).status
        deadline = time.perf_counter() + job.seconds

        def fails(case: Any) -> bool:
            return time.perf_counter() < deadline and judge(prop, trial_of(subject, case)).status == status

        shrunk = shrink(first, fails, job.attempts)
        trial = trial_of(subject, shrunk.case)
        outcome = judge(prop, trial)
        return {"shrunk": shrunk, "outcomes": ((0, outcome),), "explanation": explain(prop, trial, outcome)}
