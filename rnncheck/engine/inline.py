"""Everything in this process: for debugging, and where no worker can be had. A crash of the subject is ours too."""

from collections.abc import Iterable, Iterator

from rnncheck.engine.jobs import Done, Job, WorkerContext


class Inline:
    """Does each job as it comes."""

    def __init__(self, workshop: WorkerContext, note: str | None = None) -> None:
        self.workshop = workshop
        self.note = note

    def run(self, jobs: Iterable[Job]) -> Iterator[Done]:
        """One after the other."""
        for job in jobs:
            yield self.workshop.do(job)

    def close(self) -> None:
        """Nothing to leave behind."""
