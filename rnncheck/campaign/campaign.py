"""Which property is checked on which subject, on which cases, under which budget; and what is concluded."""

import datetime
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from rnncheck.backend import own_functions
from rnncheck.campaign import store
from rnncheck.campaign.settings import PROFILES, Profile, Settings
from rnncheck.campaign.shard import part_of
from rnncheck.campaign.subject_run import PropertyTally, SubjectRun
from rnncheck.core.deviation import Deviation
from rnncheck.core.plain_text import one_line
from rnncheck.core.subject import Subject
from rnncheck.engine.jobs import Done, Engine, Job
from rnncheck.engine.memory import lacks_memory
from rnncheck.errors import UsageError
from rnncheck.files.writing import write_whole
from rnncheck.judging.judge import is_our_mistake
from rnncheck.report.causes import causes, place_of
from rnncheck.report.report import Report
from rnncheck.repro import Runs, snippet, snippet_name
from rnncheck.system.signals import Stop, interruptible

__all__ = ["PROFILES", "Campaign", "Profile", "Progress", "Settings"]

LEAST_SHRINKING, MOST_SHRINKING = 1.0, 60.0
"""Seconds for one failing property, to make its case smaller and to explain it."""
MOST_IN_ALL = 60.0
"""Seconds for all failing properties together, however much time is left; but each has its least."""
CLOSING, MOST_CLOSING = 0.06, 1.5
"""The share of the time, and the most seconds, in which nothing more is begun: a running check ends, files are written."""
NO_TIME = "there was no time to make the case smaller"
ENDING = 0.2
"""Seconds in which a worker has to give back what it has made by then."""
LONGEST_LOOK = 3
"""Times its usual seconds that a first look takes on a machine with much else to do, unless a budget is given."""
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
        self.started = time.monotonic() if started is None else started
        self.progress = progress or (lambda what, done, planned: None)
        self.subject_runs = [
            SubjectRun(i, subject, device, settings, self._deviations(subject, device))
            for i, (subject, device) in enumerate(subjects)
        ]
        self.deadline = self.started + settings.seconds(len(subjects))
        self.numbers = count()
        self.stopped: str | None = None
        self.stop = Stop()
        self.note: str | None = None
        self.stale: list[str] = []
        self.mended: list[str] = []
        self.told: set[tuple[int, str]] = set()

    def _deviations(self, subject: Subject, device: str) -> list[Deviation]:
        name = subject.name.partition(" on ")[0]
        return [d for d in self.settings.deviations if d.subject in (None, name) and d.concerns(device)]

    def run(self, engine: Engine) -> Report:
        """Everything, in order; what is known when it is stopped is in the report all the same."""
        self.note = engine.note
        with interruptible() as self.stop:
            try:
                self.replay(engine)
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

    def replay(self, engine: Engine) -> None:
        """What failed last time comes first, and the stored cases of declared deviations."""
        jobs = [*self._stored_jobs(), *self._deviation_jobs()]
        held = {job.index: what for job, what in jobs}
        for done in self._results(engine, (self._in_time(job) for job, _ in jobs)):
            subject_run, what = self.subject_runs[done.job.subject], held[done.job.index]
            over = bool(done.outcomes) and all(outcome.status == "holds" for _, outcome in done.outcomes)
            if isinstance(what, Deviation):
                if over:
                    self.stale.append(
                        f"{what.property} on {subject_run.subject.name}: the declared deviation no longer occurs ({what})"
                    )
            elif over:
                self._mend(what)
            subject_run.enter(done)
            self._save(subject_run)

    def _stored_jobs(self) -> list[tuple[Job, Any]]:
        if self.settings.folder is None or self.settings.shard is not None:  # a shard begins as one run does in an empty folder
            return []
        stored, complaints = store.load_all(self.settings.folder / "failing")
        self.mended += complaints
        names = {name for subject_run in self.subject_runs for name in subject_run.names}
        too_large = {item.path: why for item in stored if item.target in names and (why := lacks_memory(item.case))}
        self.mended += [f"{path}: not replayed: {why}" for path, why in too_large.items()]
        return [
            (Job(next(self.numbers), "judge", subject_run.index, (item.case,), ((item.property,),)), item)
            for subject_run in self.subject_runs for item in stored
            if item.target in subject_run.names and item.property in subject_run.tallies
            and subject_run.subject.kind == item.kind and item.path not in too_large
        ]  # fmt: skip

    def _deviation_jobs(self) -> list[tuple[Job, Any]]:
        jobs: list[tuple[Job, Any]] = []
        for subject_run in self.subject_runs:
            for deviation in subject_run.deviations:
                if deviation.expired(datetime.date.today()):
                    self.stale.append(
                        f"{deviation.property} on {subject_run.subject.name}: the deviation expired on {deviation.expires}"
                    )
                case = _case_of(deviation, subject_run)
                if case is not None and subject_run.has(case.device):
                    jobs.append((Job(next(self.numbers), "judge", subject_run.index, (case,), ((deviation.property,),)), deviation))
        return jobs

    def _mend(self, item: store.Stored) -> None:
        if not item.mended:
            self.mended.append(f"{item.property} on {item.target}: the stored case holds now")
            self._write(replace(item, mended=True))

    def judge(self, engine: Engine) -> None:
        """All subject_runs in turn, a block each, until nothing is planned or the time is up."""
        planned = sum(subject_run.planned_here for subject_run in self.subject_runs)
        for done in self._results(engine, self._turns()):
            subject_run = self.subject_runs[done.job.subject]
            subject_run.enter(done)
            self._save(subject_run)
            self._tell(subject_run)
            self.progress(subject_run.subject.name, sum(d.done for d in self.subject_runs), planned)

    def _turns(self) -> Iterator[Job]:
        waiting = [subject_run.jobs(self.numbers) for subject_run in self.subject_runs]
        while waiting:
            for jobs in list(waiting):
                if time.monotonic() > self._end_of_judging() and not self._lengthen():
                    return
                job = next(jobs, None)
                if job is None:
                    waiting.remove(jobs)
                else:
                    yield self._in_time(job)

    def _lengthen(self) -> bool:
        """Give a first look more of its own time where it has seen too little; return whether it got any."""
        usual = self.settings.seconds(len(self.subject_runs))
        limit = self.started + LONGEST_LOOK * usual
        if self.settings.budget is not None or self.deadline + usual > limit or not self.report().saw_little:
            return False
        self.deadline += usual
        return True

    def _in_time(self, job: Job) -> Job:
        """The job, to be left unfinished where the time is up."""
        return replace(job, seconds=max(0.0, self._end_of_judging() - time.monotonic()))

    def _end_of_judging(self) -> float:
        """A fifth of the time is kept for shrinking once there is something to shrink, and more if it is much."""
        failing = sum(tally.red for subject_run in self.subject_runs for tally in subject_run.tallies.values())
        share = min(0.5, 0.18 + 0.02 * failing) if failing else 0.0
        return self._last_start() - share * (self.deadline - self.started)

    def _last_start(self) -> float:
        """When nothing more is begun at all."""
        return self.deadline - min(MOST_CLOSING, CLOSING * (self.deadline - self.started))

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

    def _save(self, subject_run: SubjectRun) -> None:
        """A failing case is on disk before anything else happens to it."""
        for tally in subject_run.tallies.values():
            if tally.red and tally.stored is None and self.settings.folder is not None:
                assert tally.failed is not None
                case, outcome = tally.failed
                if is_our_mistake(outcome):
                    continue
                tally.stored = self._write(subject_run.stored(tally.prop.id, case))

    def _write(self, item: store.Stored) -> Path | None:
        assert self.settings.folder is not None
        try:
            return store.save(item, self.settings.folder / "failing")
        except OSError as error:
            self.stopped = f"failing cases could not be saved under {self.settings.folder}: {one_line(error)}"
            return None

    def shrink(self, engine: Engine) -> None:
        """Shrink each failing property by itself, the most basic first; the script of each cause is run meanwhile."""
        tallies: dict[int, tuple[SubjectRun, PropertyTally]] = {}
        runs, running = Runs(self._last_start()), []
        try:
            for done in self._shrunk(engine, tallies):
                subject_run, tally = tallies[done.job.index]
                tally.shrunk = done
                tally.unshrunk = None if done.shrunk is not None or done.lost else NO_TIME
                ours = tally.failed is not None and is_our_mistake(tally.failed[1])
                if done.shrunk is not None and self.settings.folder is not None and not ours:
                    tally.stored = self._write(subject_run.stored(tally.prop.id, done.shrunk.case)) or tally.stored
                if self.settings.repro is not None and _leads(subject_run, tally):
                    self._write_test(subject_run, tally)
                    if self._write_script(subject_run, tally) and tally.script is not None:
                        running.append((tally, runs.start(tally.script)))
                self.progress(f"shrinking {tally.prop.id}", 0, 0)
            for tally, run in running:
                tally.alone = run.result()
        finally:
            runs.close()

    def _shrunk(self, engine: Engine, tallies: dict[int, tuple[SubjectRun, PropertyTally]]) -> Iterator[Done]:
        """Shrink one property of each subject first: the others, which often fail for the same cause, begin where it ended."""
        failing = [[(subject_run, tally) for tally in _basic_first(subject_run)] for subject_run in self.subject_runs]
        firsts, others = [pair for of in failing for pair in of[:1]], [pair for of in failing for pair in of[1:]]
        end = min(self._last_start(), time.monotonic() + MOST_IN_ALL)
        yield from self._results(engine, self._shrink_jobs(firsts, tallies, end, more=min(1, len(others))))
        yield from self._results(engine, self._shrink_jobs(others, tallies, end))

    def _shrink_jobs(
        self,
        failing: Sequence[tuple[SubjectRun, PropertyTally]],
        tallies: dict[int, tuple[SubjectRun, PropertyTally]],
        end: float,
        more: int = 0,
    ) -> Iterator[Job]:
        """A job each; the time until the end is shared out as they are taken, ``more`` shares are left for what comes later."""
        for place, (subject_run, tally) in enumerate(failing):
            assert tally.failed is not None
            now, last = time.monotonic(), self._last_start()
            if last <= now:
                tally.unshrunk = NO_TIME
                continue
            left, share = last - now, (end - now) / (len(failing) + more - place)
            job = Job(
                next(self.numbers), "shrink", subject_run.index, (tally.failed[0], *_smallest(subject_run)), ((tally.prop.id,),),
                self.settings.profile.attempts, min(left, max(LEAST_SHRINKING, min(MOST_SHRINKING, share))), left + ENDING,
            )  # fmt: skip
            tallies[job.index] = subject_run, tally
            yield job

    def _write_script(self, subject_run: SubjectRun, tally: PropertyTally) -> bool:
        """Write the standalone script; whether there is one to run."""
        if self.settings.repro is None or tally.shrunk is None or tally.shrunk.explanation is None:
            return False
        text = tally.shrunk.explanation.script
        if text is None:
            tally.alone = "no standalone script: the failure cannot be written down as a few calls"
            return False
        file = self.settings.repro / f"{_stem(subject_run, tally)}.py"
        try:
            write_whole(file, text)
        except OSError as error:
            tally.alone = f"no standalone script: it could not be written: {one_line(error)}"
            return False
        tally.script = file
        return True

    def _write_test(self, subject_run: SubjectRun, tally: PropertyTally) -> None:
        """Write the pytest test of the smallest case, where there is one."""
        if self.settings.repro is None or tally.shrunk is None or tally.shrunk.shrunk is None:
            return
        text = snippet(subject_run.subject, tally.prop.id, tally.shrunk.shrunk.case)
        if text is None:
            return
        file = self.settings.repro / snippet_name(_stem(subject_run, tally))
        try:
            write_whole(file, text)
        except OSError as error:
            tally.alone = f"no regression test: it could not be written: {one_line(error)}"
            return
        tally.test = file

    def report(self) -> Report:
        """What is known by now."""
        s = self.settings
        stale = [*self.stale, *self._unseen()]
        environment = {**s.environment, **({"engine": self.note} if self.note else {}), **own_functions.note()}
        return Report(
            environment,
            s.seed,
            s.profile.name,
            tuple(subject_run.report() for subject_run in self.subject_runs),
            self.stopped or next(filter(None, (subject_run.not_compared() for subject_run in self.subject_runs)), None),
            s.missing,
            tuple(stale),
            tuple(self.mended),
            time.monotonic() - self.started,
            self._part(),
        )

    def _part(self) -> Mapping[str, Any] | None:
        """Return what a merge has to know of a shard; None of a whole run."""
        if self.settings.shard is None:
            return None
        return part_of(self.settings, [subject_run.part() for subject_run in self.subject_runs]).to_json()

    def _unseen(self) -> list[str]:
        """Deviations without a stored case that did not show on any of the cases; a shard leaves that to the merge."""
        return [] if self.settings.shard is not None else [
            f"{d.property} on {subject_run.subject.name}: the declared deviation did not occur on {tally.cases} cases ({d})"
            for subject_run in self.subject_runs for d in subject_run.deviations
            if d.sure and d.case is None and (tally := subject_run.tallies.get(d.property)) is not None
            and tally.cases and tally.deviated is None and tally.failed is None
        ]  # fmt: skip


def _basic_first(subject_run: SubjectRun) -> list[PropertyTally]:
    """Return the failing properties of a subject, the most basic ones first."""
    failing = [tally for tally in subject_run.tallies.values() if tally.red]
    return sorted(failing, key=lambda tally: (place_of(tally.prop.id), tally.prop.id))


def _smallest(subject_run: SubjectRun) -> tuple[Any, ...]:
    """Return the smallest case of the most basic property that failed, once it is known."""
    done = next((tally.shrunk for tally in _basic_first(subject_run)), None)
    return () if done is None or done.shrunk is None else (done.shrunk.case,)


def _leads(subject_run: SubjectRun, tally: PropertyTally) -> bool:
    """Return whether this property leads a cause among those that were shrunk: of one cause there is one script."""
    shrunk = (subject_run.verdict(one) for one in subject_run.tallies.values() if one.shrunk is not None)
    return any(cause.lead.property == tally.prop.id for cause in causes(shrunk))


def _case_of(deviation: Deviation, subject_run: SubjectRun) -> Any:
    """The stored case of a deviation from what this subject is judged by, if there is one; raises UsageError where it is none."""
    if deviation.case is None or deviation.property not in subject_run.tallies:
        return None
    try:
        return store.case_from_json(subject_run.subject.kind, deviation.case)
    except ValueError as error:
        raise UsageError(f"the case of the deviation from {deviation.property}: {one_line(error)}") from None


def _stem(subject_run: SubjectRun, tally: PropertyTally) -> str:
    """Return the name of the files of this failure, without the suffix."""
    name = store.file_name(tally.prop.id, subject_run.subject.name, "")
    return name if tally.stored is None else tally.stored.stem
