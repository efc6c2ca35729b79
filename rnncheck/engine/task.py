"""A job on its way through the workers: what came of it so far, and what is still to be done."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

from rnncheck.core.verdict import TIME_UP, Outcome, Status
from rnncheck.engine.current_check import Entry
from rnncheck.engine.jobs import GIVEN, RUN, Done, Job

FALSE_STARTS = 2
"""How often a worker may die before its first check, which is no subject's fault, before the job is given up."""


@dataclass
class Task:
    """A job, its position among all, and how many results its giver knew when it was made; times are monotonic seconds.

    end:    when nothing more of it is begun, and over: when it must not go on
    rest:   what is still to be done of it
    began:  when a worker got it, and latest: when that worker has to be done
    queued: how long that worker had waited for a core by then
    apart:  whether each attempt at shrinking is to be made in a process of its own, since one of them has died
    """

    job: Job
    position: int
    known: int
    end: float
    rest: Job = field(init=False)
    outcomes: list[tuple[int, Outcome]] = field(default_factory=list)
    seconds: float = 0.0
    began: float = 0.0
    latest: float = 0.0
    queued: float = 0.0
    over: float = math.inf
    apart: bool = False
    false_starts: int = 0
    partly: Done | None = None
    done: Done | None = None

    def __post_init__(self) -> None:
        self.rest = self.job

    @property
    def case(self) -> tuple[int, Any, str]:
        """(subject, case, property) of a job that shrinks: whether it is known to be deadly is kept under this."""
        return self.job.subject, self.job.cases[0], self.job.properties[0][0]

    def next(self) -> Entry | None:
        """The first check that has no outcome yet, as if it were on record."""
        had = {(place, outcome.property) for place, outcome in self.outcomes}
        checks = ((place, name) for place, names in enumerate(self.rest.properties) for name in names)
        return next((Entry(self.job.index, place, 0.0, name) for place, name in checks if (place, name) not in had), None)

    def cut(self, what: str, seconds: float) -> None:
        """The time is up in the middle of something: what was not finished does not count."""
        done = self.partly or Done(self.job)
        self.finish(replace(done, cut=(what, f"{what} had run for {seconds:.1f} s {TIME_UP}")))

    def finish(self, done: Done | None = None, lost: str | None = None) -> None:
        """Nothing more is to be done; ``done`` is what a worker made of the rest."""
        done = done or Done(self.job, lost=lost)
        outcomes = (*self.outcomes, *done.outcomes)
        self.done = replace(done, job=self.job, outcomes=outcomes, seconds=self.seconds)

    def buried(self, entry: Entry | None, status: Status, reason: str) -> tuple[int, Outcome] | None:
        """The worker died: blame what it was doing, and leave that out of the rest. Returns (place, outcome)."""
        if entry is None:
            self._start_again(reason)
            return None
        if self.job.kind == "probe":
            self.finish(lost=f"{status} while its claims were being found: {reason}")
            return None
        if self.job.kind == "shrink":
            self._shrink_apart(reason)
            return (0, Outcome(entry.what, status, reason=reason)) if entry.place == GIVEN else None
        place, what = entry.place, entry.what
        names = self.rest.properties[place]
        blamed = names[0] if what == RUN else what
        self.outcomes = [o for o in self.outcomes if (o[0], o[1].property) != (place, blamed)]
        outcome = Outcome(blamed, status, reason=reason, of_run=what == RUN)
        self.outcomes.append((place, outcome))
        left = () if what == RUN else names[names.index(what) + 1 :]
        self.leave(*((),) * place, left, *(_without(names, blamed) for names in self.rest.properties[place + 1 :]))
        return place, outcome

    def leave(self, *properties: tuple[str, ...]) -> None:
        """These properties, at each place, are the rest; the task is finished if there are none."""
        self.rest = replace(self.rest, properties=properties)
        if not any(properties):
            self.finish()

    def drop(self, names: set[str]) -> None:
        """Leave these properties out of the rest."""
        self.leave(*(tuple(n for n in at if n not in names) for at in self.rest.properties))

    def _start_again(self, reason: str) -> None:
        self.false_starts += 1
        if self.false_starts > FALSE_STARTS:
            self.finish(lost=f"{self.false_starts} workers ended before their first check: {reason}")

    def _shrink_apart(self, reason: str) -> None:
        if self.apart:
            self.finish(lost=f"shrinking ended early: {reason}")
        self.apart = True
        self.rest = replace(self.rest, seconds=max(1.0, self.job.seconds - self.seconds))


def _without(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(n for n in names if n != name)
