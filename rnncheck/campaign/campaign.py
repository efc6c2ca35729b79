"""Which property is checked on which subject, on which cases, under which budget; and what is concluded."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from rnncheck.backend import own_functions
from rnncheck.campaign.kept import Kept
from rnncheck.campaign.known_cases import KnownCases
from rnncheck.campaign.pace import Pace
from rnncheck.campaign.settings import PROFILES, Profile, Settings
from rnncheck.campaign.shard import part_of
from rnncheck.campaign.shrinking import Shrinking
from rnncheck.campaign.subject_run import SubjectRun
from rnncheck.core.deviation import Deviation
from rnncheck.core.subject import Subject
from rnncheck.engine.jobs import Done, Engine, Job
from rnncheck.report.report import Report
from rnncheck.system.signals import Stop, interruptible

__all__ = ["PROFILES", "Campaign", "Profile", "Progress", "Settings"]

Progress = Callable[[str, int, int], None]
"""Told (what is being done, cases done, cases planned); its ``found``, if any, (subject, property, what is wrong) at once."""


class Campaign:
    """Runs the jobs of every subject on every device until they are done or the time is up, then shrinks what failed."""

    def __init__(
        self,
        subjects: Sequence[tuple[Subject, str]],
        settings: Settings,
        progress: Progress | None = None,
        started: float | None = None,
    ) -> None:
        self.settings = settings
        self.pace = Pace(settings, len(subjects), time.monotonic() if started is None else started)
        self.progress = progress or (lambda what, done, planned: None)
        self.subject_runs = [
            SubjectRun(i, subject, device, settings, self._deviations(subject, device))
            for i, (subject, device) in enumerate(subjects)
        ]
        self.kept = Kept(settings.folder)
        self.known = KnownCases(settings, self.subject_runs, self.kept)
        self.numbers = count()
        self.stopped: str | None = None
        self.stop = Stop()
        self.note: str | None = None
        self.told: set[tuple[int, str]] = set()

    def _deviations(self, subject: Subject, device: str) -> list[Deviation]:
        name = subject.name.partition(" on ")[0]
        return [d for d in self.settings.deviations if d.subject in (None, name) and d.concerns(device)]

    def run(self, engine: Engine) -> Report:
        """Everything, in order; what is known when it is stopped is in the report all the same."""
        self.note = engine.note
        with interruptible() as self.stop:
            try:
                self.judge_known_cases(engine)
                self.judge(engine)
                self.shrink(engine)
            except KeyboardInterrupt:
                self.stopped = "interrupted"
            finally:
                engine.close()
            return self.report()

    def _results(self, engine: Engine, jobs: Iterable[Job]) -> Iterator[Done]:
        """Yield the finished jobs; remember for the report why any was lost."""
        for done in engine.run(self._until_stopped(jobs)):
            self.stopped = self.stopped or done.lost
            yield done

    def _until_stopped(self, jobs: Iterable[Job]) -> Iterator[Job]:
        """The jobs; an interrupt that was lost comes where the next one is taken."""
        for job in jobs:
            self.stop.check()
            yield job

    def judge_known_cases(self, engine: Engine) -> None:
        """What failed last time comes first, and the stored cases of declared deviations."""
        for done in self._results(engine, (self._in_time(job) for job in self.known.jobs(self.numbers))):
            subject_run = self.subject_runs[done.job.subject]
            self.known.note(done)
            subject_run.enter(done)
            self.kept.found(subject_run)

    def judge(self, engine: Engine) -> None:
        """All subject_runs in turn, a block each, until nothing is planned or the time is up."""
        planned = sum(subject_run.planned_here for subject_run in self.subject_runs)
        for done in self._results(engine, self._turns()):
            subject_run = self.subject_runs[done.job.subject]
            subject_run.enter(done)
            self.kept.found(subject_run)
            self._tell(subject_run)
            self.progress(subject_run.subject.name, sum(d.done for d in self.subject_runs), planned)

    def _turns(self) -> Iterator[Job]:
        waiting = [subject_run.jobs(self.numbers) for subject_run in self.subject_runs]
        while waiting:
            for jobs in list(waiting):
                job = next(jobs, None)
                if job is None:
                    waiting.remove(jobs)
                elif job.least or time.monotonic() <= self.pace.end_of_judging(self._failing()) or self._lengthen():
                    yield self._in_time(job)
                else:
                    return

    def _lengthen(self) -> bool:
        """Give a first look more of its own time where it has seen too little; return whether it got any."""
        return self.pace.lengthen(lambda: self.report().saw_little)

    def _in_time(self, job: Job) -> Job:
        return self.pace.in_time(job, self._failing())

    def _failing(self) -> int:
        return sum(tally.red for subject_run in self.subject_runs for tally in subject_run.tallies.values())

    def _tell(self, subject_run: SubjectRun) -> None:
        """Say what has just been found, to a progress bar that shows it."""
        found = getattr(self.progress, "found", None)
        if found is None:
            return
        for id, tally in subject_run.tallies.items():
            if tally.red and (subject_run.index, id) not in self.told:
                assert tally.failed is not None
                self.told.add((subject_run.index, id))
                outcome = tally.failed[1]
                found(subject_run.subject.name, id, (outcome.mismatches or (outcome.reason or outcome.status,))[0])

    def shrink(self, engine: Engine) -> None:
        """Make the failing cases smaller, and explain them."""
        self.shrinking(engine).run(self.subject_runs)

    def shrinking(self, engine: Engine) -> Shrinking:
        """Return what shrinks the failing cases with this engine."""

        def work(jobs: Iterable[Job]) -> Iterator[Done]:
            return self._results(engine, jobs)

        def tell(property: str) -> None:
            self.progress(f"shrinking {property}", 0, 0)

        return Shrinking(self.settings, self.pace, self.kept, self.numbers, work, tell)

    def report(self) -> Report:
        """What is known by now."""
        s = self.settings
        environment = {**s.environment, **({"engine": self.note} if self.note else {}), **own_functions.note()}
        stopped = self.kept.lost or self.stopped
        return Report(
            environment,
            s.seed,
            s.profile.name,
            tuple(subject_run.report() for subject_run in self.subject_runs),
            stopped or next(filter(None, (subject_run.not_compared() for subject_run in self.subject_runs)), None),
            s.missing,
            (*self.known.stale, *self.known.unseen()),
            tuple(self.known.told),
            time.monotonic() - self.pace.started,
            self._part(),
        )

    def _part(self) -> Mapping[str, Any] | None:
        """Return what a merge has to know of a shard; None of a whole run."""
        if self.settings.shard is None:
            return None
        return part_of(self.settings, [subject_run.part() for subject_run in self.subject_runs]).to_json()
