"""Shrinking a case that kills or hangs whoever runs it: each attempt in a process of its own."""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

from rnncheck.core.property import Property
from rnncheck.core.verdict import Outcome
from rnncheck.engine.jobs import Done, Engine, Job, ProgressObserver, WorkerContext
from rnncheck.judging.explain import Explanation
from rnncheck.judging.judge import out_of_claim
from rnncheck.judging.shrink import Shrunk, shrink
from rnncheck.repro import deadly_script

USUAL_COST, LONGEST = 20, 3
"""A property of this cost, in runs of the subject, is given twice the time of one that costs nothing; the costliest
LONGEST times as much."""
BRIEF, LEAST = 1 / 40, 0.5
"""An attempt at a case that hangs is given this part of the usual time, and at least LEAST seconds."""
CONFIRMED = 4
"""The smallest case that hangs must still do so when it is given this many times the attempts' time."""


def time_limit(prop: Property | None, case_seconds: float) -> float:
    """Seconds until a check of this property counts as hung."""
    return case_seconds * min(LONGEST, 1 + (0 if prop is None else prop.cost / USUAL_COST))


class Keeper:
    """Runs in a worker of its own and never runs the subject itself.

    engine: makes an engine of one worker for a number of case_seconds
    known:  what the case is known to come to; None if that is yet to be seen
    """

    def __init__(self, workshop: WorkerContext, engine: Callable[[float], Engine], case_seconds: float,
                 known: Outcome | None) -> None:  # fmt: skip
        self.workshop = workshop
        self.engine = engine
        self.case_seconds = case_seconds
        self.known = known

    def do(self, job: Job, watch: ProgressObserver) -> Done:
        """Shrink the job's case to the smallest that comes to the same status, and judge that one."""
        started = time.monotonic()
        first, prop, subject = job.cases[0], self.workshop.catalog[job.properties[0][0]], self.workshop.subjects[job.subject]
        known = self.known or self._attempt(job, first, self.case_seconds)
        seconds = self.case_seconds if known.status != "hung" else max(LEAST, self.case_seconds * BRIEF)
        needed = (1 + CONFIRMED) * time_limit(prop, seconds) if known.status == "hung" else 0.0

        def fails(case: Any) -> bool:
            wanted = job.attempts > 0 and time.monotonic() - started + needed < job.seconds
            return wanted and out_of_claim(prop, subject, case) is None and self._attempt(job, case, seconds).status == known.status

        shrunk = shrink(first, fails, job.attempts)
        if known.status == "fails":
            told = self._do(replace(job, cases=(shrunk.case,), attempts=0, seconds=0.0))
            return replace(told, shrunk=shrunk, outcomes=told.outcomes or ((0, known),))
        outcome = known if shrunk.case == first else self._attempt(job, shrunk.case, CONFIRMED * seconds)
        if outcome.status != known.status:
            shrunk, outcome = Shrunk(first, shrunk.attempts), known
        script = deadly_script(subject, prop, shrunk.case, outcome)
        return Done(job, ((0, outcome),), shrunk=shrunk, explanation=Explanation(script=script))

    def _attempt(self, job: Job, case: Any, seconds: float) -> Outcome:
        one = Job(job.index, "judge", job.subject, (case,), job.properties)
        done = self._do(one, seconds)
        return done.outcomes[0][1] if done.outcomes else Outcome(job.properties[0][0], "not_reached", reason=done.lost)

    def _do(self, job: Job, seconds: float | None = None) -> Done:
        with closing(self.engine(seconds or self.case_seconds)) as engine:
            (done,) = engine.run([job])
        return done
