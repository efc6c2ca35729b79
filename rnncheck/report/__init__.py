"""Many verdicts, and what is said of them."""

from rnncheck.report.model import Coverage, Failed, Report, SubjectReport

__all__ = ["Coverage", "Failed", "Report", "SubjectReport"]
