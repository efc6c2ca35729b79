"""Job and Done: one unit of work and its result, shared by all engines."""

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal, Protocol

from rnncheck.backend.torch_state import flags, one_thread, preserved
from rnncheck.core.plain_text import said
from rnncheck.core.property import Property
from rnncheck.core.subject import Claim, Subject
from rnncheck.core.verdict import Outcome
from rnncheck.engine.recent import Recent
from rnncheck.engine.waiting import waited
from rnncheck.judging.explain import Explanation, explain
from rnncheck.judging.judge import judge, out_of_claim, rehearse, trial_of
from rnncheck.judging.shrink import Shrunk, needed, shrink

RUN = "run"
"""What is on record while a case's own run is made, which its properties share."""
PROBE = "probe"
"""What is on record while a subject's claims are found."""
GIVEN, ATTEMPT = 0, 1
"""While a case is shrunk, the place on record: of the case that was given, and of what is tried instead of it."""
CASE_SECONDS = 20.0
"""A check that takes longer than this (for a costly property a few times this) hangs."""
SHRINKING = 0.6
"""The share of a job's time in which a case is made smaller; the rest is for explaining it."""
GIVE_UP = 3
"""The number of properties that may crash or hang before a subject is left alone."""


class ProgressObserver:
    """Told what is about to be done and what came of it; this one takes no note."""

    def before(self, place: int, what: str) -> None:
        """A check is about to begin: the case's place in the job, and the property's id, or RUN, or PROBE."""

    def after(self, place: int, outcome: Outcome) -> None:
        """A check has ended."""

    def partly(self, done: "Done") -> None:
        """A case has been shrunk, and is yet to be explained: what there is if there is no time for more."""


@dataclass(frozen=True)
class Job:
    """Work on one subject that can be done twice without harm.

    probe: find out what the subject claims
    judge: on each case the properties that stand at its place
    shrink: from the first case, which fails the one property, to the smallest in ``attempts`` attempts; then explain it.
            In no attempts at all, that is, judge and explain the case itself. A second case is small and fails another
            property: where it fails this one in the same way too, it is where to begin

    seconds:  wall time; a check or attempt that it does not suffice for is not begun, and a probe that takes longer hangs
    least:    the seconds that it is given even so, in which waiting for a core does not count
    patience: wall time from where the job is taken until it has to be over, whatever it waits for
    doubtful: whether the subject's probe has hung: then a check that takes most of the seconds hangs, too
    """

    index: int
    kind: Literal["probe", "judge", "shrink"]
    subject: int
    cases: tuple[Any, ...] = ()
    properties: tuple[tuple[str, ...], ...] = ()
    attempts: int = 0
    seconds: float = math.inf
    least: float = 0.0
    patience: float = math.inf
    doubtful: bool = False


@dataclass(frozen=True)
class Done:
    """What came of a job: outcomes by (place of the case, property), claims, or a shrunk case with its explanation.

    lost: why something that was begun has no outcome, in words; None where nothing was lost
    cut:  what was being done when the time was up, and in words for how long: it has no outcome, and says nothing
    """

    job: Job
    outcomes: tuple[tuple[int, Outcome], ...] = ()
    claims: Mapping[str, Claim] | None = None
    shrunk: Shrunk | None = None
    explanation: Explanation | None = None
    seconds: float = 0.0
    lost: str | None = None
    cut: tuple[str, str] | None = None


class Engine(Protocol):
    """Does jobs; results come in the order of the jobs, whatever the order they were done in.

    note: how it differs from what was asked for, in words; None where it does not
    """

    note: str | None

    def run(self, jobs: Iterable[Job]) -> Iterator[Done]:
        """Takes jobs lazily: it never asks for many more than it can work on."""

    def close(self) -> None:
        """Leaves nothing behind."""


@dataclass(frozen=True)
class WorkerContext:
    """All that a worker needs: the subjects and the catalog. ``probe`` finds a subject's claims."""

    subjects: Sequence[Subject]
    catalog: Mapping[str, Property]
    probe: Callable[[Subject], Mapping[str, Claim]]
    trials: Recent = field(default_factory=Recent, compare=False)

    def do(self, job: Job, watch: ProgressObserver | None = None) -> Done:
        """Do one job here and now, on one thread."""
        started = time.perf_counter()
        with one_thread():
            done = {"probe": self._probe, "judge": self._judge, "shrink": self._shrink}[job.kind](job, watch or ProgressObserver())
        return Done(**{**done, "job": job, "seconds": time.perf_counter() - started})

    def _probe(self, job: Job, watch: ProgressObserver) -> dict[str, Any]:
        watch.before(0, PROBE)
        with preserved():
            return {"claims": self.probe(self.subjects[job.subject])}

    def _judge(self, job: Job, watch: ProgressObserver) -> dict[str, Any]:
        is_up = _ending(job)
        found: list[tuple[int, Outcome]] = []
        for place, (case, names) in enumerate(zip(job.cases, job.properties, strict=True)):
            if not names or is_up():
                continue
            for outcome in self._case(job.subject, case, names, is_up, place, watch):
                watch.after(place, outcome)
                found.append((place, outcome))
        return {"outcomes": tuple(found)}

    def _case(self, subject: int, case: Any, names: tuple[str, ...], is_up: Callable[[], bool], place: int,
              watch: ProgressObserver) -> Iterator[Outcome]:  # fmt: skip
        watch.before(place, RUN)
        try:
            trial = self._trial(subject, case)
        except Exception as error:  # no memory for its tensors, or no such device on this machine
            reason = f"the case cannot be built here: {said(error)}"
            yield from (Outcome(name, "not_reached", reason=reason) for name in names)
            return
        before = flags()
        with preserved(before):
            rehearse(trial)
        for name in names:
            if is_up():
                return
            yield self._check(name, trial, place, watch, before)

    def _trial(self, subject: int, case: Any) -> Any:
        """The subject on this case; its run and its truth are made once for all properties that are checked on it, whenever."""
        return self.trials.get((subject, case), lambda: trial_of(self.subjects[subject], case))

    def _check(self, name: str, trial: Any, place: int, watch: ProgressObserver, before: dict[str, Any] | None = None) -> Outcome:
        watch.before(place, name)
        with preserved(before):
            return judge(self.catalog[name], trial)

    def _shrink(self, job: Job, watch: ProgressObserver) -> dict[str, Any]:
        subject, name, (first, *small) = self.subjects[job.subject], job.properties[0][0], job.cases
        is_up = _ending(job, SHRINKING)
        given = self._check(name, trial_of(subject, first), GIVEN, watch)

        def in_time() -> bool:
            return job.attempts > 0 and not is_up()

        def is_mild(outcome: Outcome) -> bool:
            return self.catalog[name].warns_of(outcome.differing) is not None

        @cache
        def fails(case: Any) -> bool:
            if not in_time():
                return False
            found = self._check(name, self._trial(job.subject, case), ATTEMPT, watch)
            return found.alike(given) and (is_mild(given) or not is_mild(found))

        def asked(case: Any) -> bool:
            return out_of_claim(self.catalog[name], subject, case) is None

        begin = next((case for case in small if fails(case)), first)
        shrunk = shrink(begin, fails, job.attempts)
        needs = needed(shrunk.case, fails, asked) if in_time() else None
        shrunk = replace(shrunk, needs=needs if in_time() else None)  # what was not tried for lack of time proves nothing
        trial: Any = self._trial(job.subject, shrunk.case)
        outcome = self._check(name, trial, ATTEMPT, watch)
        watch.partly(Done(job, ((0, outcome),), shrunk=shrunk))
        with preserved():
            explanation = explain(self.catalog[name], trial, outcome)
        return {"shrunk": shrunk, "outcomes": ((0, outcome),), "explanation": explanation}


def _ending(job: Job, share: float = 1.0) -> Callable[[], bool]:
    """Return what says whether this share of the time of a job that begins now is up."""
    begun, queued = time.perf_counter(), waited(os.getpid())

    def is_up() -> bool:
        passed = time.perf_counter() - begun
        return passed > share * job.seconds and passed - (waited(os.getpid()) - queued) > share * job.least

    return is_up
