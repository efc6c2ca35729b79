"""What is judged before all else: the cases that failed last time, and those of declared deviations."""

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rnncheck.campaign import store
from rnncheck.campaign.kept import Kept
from rnncheck.campaign.settings import Settings
from rnncheck.campaign.subject_run import SubjectRun
from rnncheck.core.deviation import Deviation
from rnncheck.core.plain_text import one_line
from rnncheck.engine.jobs import Done, Job
from rnncheck.engine.memory import lacks_memory
from rnncheck.errors import UsageError
from rnncheck.report.model import HOLDS_NOW


@dataclass
class KnownCases:
    """The known cases of all subjects, and lines for the report.

    stale: declared deviations that are no longer so; told: stored cases that hold now, or cannot be tried again
    """

    settings: Settings
    subject_runs: Sequence[SubjectRun]
    kept: Kept
    stale: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    held: dict[int, store.Stored | Deviation] = field(default_factory=dict)

    def jobs(self, numbers: Iterator[int]) -> list[Job]:
        """Return a job for each of them."""
        jobs = [*self._stored(numbers), *self._of_deviations(numbers)]
        self.held = {job.index: what for job, what in jobs}
        return [job for job, _ in jobs]

    def note(self, done: Done) -> None:
        """Take note of a case that holds now."""
        if not done.outcomes or any(outcome.status != "holds" for _, outcome in done.outcomes):
            return
        what = self.held[done.job.index]
        if isinstance(what, Deviation):
            name = self.subject_runs[done.job.subject].subject.name
            self.stale.append(f"{what.property} on {name}: the declared deviation no longer occurs ({what})")
        elif not what.mended:
            self.told.append(f"{what.property} on {what.target}{HOLDS_NOW}")
            self.kept.write(replace(what, mended=True))

    def unseen(self) -> list[str]:
        """Return the deviations without a stored case that did not show on any of the cases; a shard leaves that to the merge."""
        return [] if self.settings.shard is not None else [
            f"{d.property} on {subject_run.subject.name}: the declared deviation did not occur on {tally.cases} cases ({d})"
            for subject_run in self.subject_runs for d in subject_run.deviations
            if d.sure and d.case is None and (tally := subject_run.tallies.get(d.property)) is not None
            and tally.cases and tally.deviated is None and tally.failed is None
        ]  # fmt: skip

    def _stored(self, numbers: Iterator[int]) -> list[tuple[Job, Any]]:
        if self.settings.folder is None or self.settings.shard is not None:  # a shard begins as one run does in an empty folder
            return []
        stored, complaints = store.load_all(self.settings.folder / "failing")
        self.told += complaints
        names = {name for subject_run in self.subject_runs for name in subject_run.names}
        too_large = {item.path: why for item in stored if item.target in names and (why := lacks_memory(item.case))}
        self.told += [f"{path}: not replayed: {why}" for path, why in too_large.items()]
        return [
            (Job(next(numbers), "judge", subject_run.index, (item.case,), ((item.property,),)), item)
            for subject_run in self.subject_runs for item in stored
            if item.target in subject_run.names and item.property in subject_run.tallies
            and subject_run.subject.kind == item.kind and item.path not in too_large
        ]  # fmt: skip

    def _of_deviations(self, numbers: Iterator[int]) -> list[tuple[Job, Any]]:
        jobs: list[tuple[Job, Any]] = []
        for subject_run in self.subject_runs:
            for deviation in subject_run.deviations:
                if deviation.expired(datetime.date.today()):
                    self.stale.append(
                        f"{deviation.property} on {subject_run.subject.name}: the deviation expired on {deviation.expires}"
                    )
                case = _case_of(deviation, subject_run)
                if case is not None and subject_run.has(case.device):
                    jobs.append((Job(next(numbers), "judge", subject_run.index, (case,), ((deviation.property,),)), deviation))
        return jobs


def _case_of(deviation: Deviation, subject_run: SubjectRun) -> Any:
    """The stored case of a deviation from what this subject is judged by, if there is one; raises UsageError where it is none."""
    if deviation.case is None or deviation.property not in subject_run.tallies:
        return None
    try:
        return store.case_from_json(subject_run.subject.kind, deviation.case)
    except ValueError as error:
        raise UsageError(f"the case of the deviation from {deviation.property}: {one_line(error)}") from None
