"""The failing cases that a campaign keeps on disk, for the next run and for ``rnncheck replay``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnncheck.campaign import store
from rnncheck.campaign.subject_run import PropertyTally, SubjectRun
from rnncheck.core.plain_text import one_line
from rnncheck.judging.judge import is_our_mistake


@dataclass
class Kept:
    """The folder that they are kept under, None where none are; ``lost`` says why one could not be written."""

    folder: Path | None
    lost: str | None = None

    def found(self, subject_run: SubjectRun) -> None:
        """Write each case that fails as soon as it is known, before anything else happens to it."""
        for tally in subject_run.tallies.values():
            if tally.red and tally.stored is None and tally.failed is not None:
                self.keep(subject_run, tally, tally.failed[0])

    def keep(self, subject_run: SubjectRun, tally: PropertyTally, case: Any) -> None:
        """Write the case that a property fails on in place of what was written of it before, except for a mistake of ours."""
        ours = tally.failed is not None and is_our_mistake(tally.failed[1])
        if self.folder is not None and not ours:
            tally.stored = self.write(subject_run.stored(tally.prop.id, case)) or tally.stored

    def write(self, item: store.Stored) -> Path | None:
        """Return where the case was written, None where it could not be."""
        assert self.folder is not None
        try:
            return store.save(item, self.folder / "failing")
        except OSError as error:
            self.lost = f"failing cases could not be saved under {self.folder}: {one_line(error)}"
            return None
