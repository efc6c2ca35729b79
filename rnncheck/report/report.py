"""What ``rnncheck.verify`` returns."""

from dataclasses import dataclass

from rnncheck.report.model import Results
from rnncheck.report.notebook import notebook
from rnncheck.report.terminal import plain


@dataclass(frozen=True, repr=False)
class Report(Results):
    """The results of a run, as ``rnncheck.verify`` returns them; ``print(report)`` shows what the command line shows."""

    def __str__(self) -> str:
        """Return what ``rnncheck verify`` prints."""
        return plain(self)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return notebook(self)
