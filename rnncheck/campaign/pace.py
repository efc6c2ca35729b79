"""How long a campaign goes on: what is begun until when, and what is looked at in any case."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from rnncheck.campaign.settings import Settings
from rnncheck.engine.jobs import Job

CLOSING, LEAST_CLOSING, MOST_CLOSING = 0.06, 0.5, 1.5
"""The share of the time, its least and most seconds, in which nothing more is begun: a running check ends, files are written."""
LONGEST_LOOK = 3
"""Times its usual seconds that a first look takes on a machine with much else to do, unless a budget is given."""


@dataclass
class Pace:
    """The time of a campaign of this number of subjects; moments are monotonic seconds."""

    settings: Settings
    subjects: int
    started: float
    deadline: float = field(init=False)

    def __post_init__(self) -> None:
        self.deadline = self.started + self.settings.seconds(self.subjects)

    def end_of_judging(self, failing: int) -> float:
        """Return when judging ends: a fifth of the time is kept for shrinking what fails, and more if it is much."""
        share = min(0.5, 0.18 + 0.02 * failing) if failing else 0.0
        return self.last_start() - share * (self.deadline - self.started)

    def last_start(self) -> float:
        """Return when nothing more is begun at all."""
        return self.deadline - max(LEAST_CLOSING, min(MOST_CLOSING, CLOSING * (self.deadline - self.started)))

    def in_time(self, job: Job, failing: int) -> Job:
        """Return the job, to be left unfinished where the time is up."""
        return replace(job, seconds=max(0.0, self.end_of_judging(failing) - time.monotonic()))

    def lengthen(self, saw_little: Callable[[], bool]) -> bool:
        """Give a first look that saw too little more of its own time; return whether it got any.

        It gets none where a budget is given, or where it had all that it may have.
        """
        usual = self.settings.seconds(self.subjects)
        longest = self.started + LONGEST_LOOK * usual
        if self.settings.budget is not None or self.deadline + usual > longest or not saw_little():
            return False
        self.deadline += usual
        return True
