"""What fails is made smaller and explained, and each cause gets a script and a pytest test."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from rnncheck.campaign import store
from rnncheck.campaign.kept import Kept
from rnncheck.campaign.pace import Pace
from rnncheck.campaign.settings import Settings
from rnncheck.campaign.subject_run import PropertyTally, SubjectRun
from rnncheck.core.plain_text import one_line
from rnncheck.engine.jobs import Done, Job
from rnncheck.files.writing import write_whole
from rnncheck.report.causes import causes, place_of
from rnncheck.repro import Runs, snippet, snippet_name

LEAST_SHRINKING, MOST_SHRINKING = 1.0, 60.0
"""Seconds for one failing property, to make its case smaller and to explain it."""
MOST_IN_ALL = 60.0
"""Seconds for all failing properties together, however much time is left; but each has its least."""
NO_TIME = "there was no time to make the case smaller"
ENDING = 0.2
"""Seconds in which a worker has to give back what it has made by then."""
SURE, LONGEST_SURE = 1.0, 5.0
"""Seconds that are spent on the case of each cause even where the time is up, waiting for a core not counted, and after how many
seconds of wall time that ends in any case."""
Failing = tuple[SubjectRun, PropertyTally]


@dataclass
class Shrinking:
    """Shrinks each failing property of a campaign by itself.

    work: does jobs; tell: hears which property was shrunk
    failing: what is shrunk, by the number of its job
    """

    settings: Settings
    pace: Pace
    kept: Kept
    numbers: Iterator[int]
    work: Callable[[Iterable[Job]], Iterator[Done]]
    tell: Callable[[str], None]
    failing: dict[int, Failing] = field(default_factory=dict)

    def run(self, subject_runs: Sequence[SubjectRun]) -> None:
        """Shrink the most basic properties first; the script of each cause is run meanwhile."""
        runs, running = Runs(self.pace.last_start()), []
        try:
            for done in self._done(subject_runs):
                subject_run, tally = self.failing[done.job.index]
                tally.shrunk = done
                tally.unshrunk = None if done.shrunk is not None or done.lost else NO_TIME
                if done.shrunk is not None:
                    self.kept.keep(subject_run, tally, done.shrunk.case)
                if self.settings.repro is not None and _leads(subject_run, tally):
                    self._write_test(subject_run, tally)
                    if self._write_script(subject_run, tally) and tally.script is not None:
                        running.append((tally, runs.start(tally.script)))
                self.tell(tally.prop.id)
            for tally, run in running:
                tally.alone = run.result()
        finally:
            runs.close()

    def _done(self, subject_runs: Sequence[SubjectRun]) -> Iterator[Done]:
        """Shrink one property of each subject first: the others, which often fail for the same cause, begin where it ended."""
        failing = [[(subject_run, tally) for tally in _basic_first(subject_run)] for subject_run in subject_runs]
        firsts, others = [pair for of in failing for pair in of[:1]], [pair for of in failing for pair in of[1:]]
        end = min(self.pace.last_start(), time.monotonic() + MOST_IN_ALL)
        yield from self.work(self.jobs(firsts, end, more=min(1, len(others))))
        yield from self.work(self.jobs(others, end))

    def jobs(self, failing: Sequence[Failing], end: float, more: int = 0) -> Iterator[Job]:
        """A job each; the time until the end is shared out as they are taken, ``more`` shares are left for what comes later.

        What leads a cause has a job even where the time is up: a failure is shown by its smallest calls.
        """
        leading = {id(subject_run): _leading(subject_run) for subject_run, _ in failing}
        for place, (subject_run, tally) in enumerate(failing):
            assert tally.failed is not None
            now, sure = time.monotonic(), tally.prop.id in leading[id(subject_run)]
            left, share = max(0.0, self.pace.last_start() - now), (end - now) / (len(failing) + more - place)
            if not left and not sure:
                tally.unshrunk = NO_TIME
                continue
            seconds, least = min(left, max(LEAST_SHRINKING, min(MOST_SHRINKING, share))), SURE if sure else 0.0
            patience = max(left + ENDING, LONGEST_SURE if sure else 0.0)
            if self.settings.budget is None:  # then waiting for a core does not count
                least, patience = max(least, seconds), inf
            job = Job(
                next(self.numbers), "shrink", subject_run.index, (tally.failed[0], *_smallest(subject_run)), ((tally.prop.id,),),
                self.settings.profile.attempts, seconds, least, patience,
            )  # fmt: skip
            self.failing[job.index] = subject_run, tally
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


def _basic_first(subject_run: SubjectRun) -> list[PropertyTally]:
    """Return the failing properties of a subject, the most basic ones first."""
    failing = [tally for tally in subject_run.tallies.values() if tally.red]
    return sorted(failing, key=lambda tally: (place_of(tally.prop.id), tally.prop.id))


def _smallest(subject_run: SubjectRun) -> tuple[Any, ...]:
    """Return the smallest case of the most basic property that failed, once it is known."""
    done = next((tally.shrunk for tally in _basic_first(subject_run)), None)
    return () if done is None or done.shrunk is None else (done.shrunk.case,)


def _leading(subject_run: SubjectRun) -> set[str]:
    """Return the properties that lead a cause each, as far as it is known by now."""
    return {cause.lead.property for cause in causes(subject_run.verdict(tally) for tally in _basic_first(subject_run))}


def _leads(subject_run: SubjectRun, tally: PropertyTally) -> bool:
    """Return whether this property leads a cause among those that were shrunk: of one cause there is one script."""
    shrunk = (subject_run.verdict(one) for one in subject_run.tallies.values() if one.shrunk is not None)
    return any(cause.lead.property == tally.prop.id for cause in causes(shrunk))


def _stem(subject_run: SubjectRun, tally: PropertyTally) -> str:
    """Return the name of the files of this failure, without the suffix."""
    name = store.file_name(tally.prop.id, subject_run.subject.name, "")
    return name if tally.stored is None else tally.stored.stem
