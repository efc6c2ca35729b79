"""Many verdicts, and what is said of them."""

from rnncheck.report.model import Coverage, Failed, SubjectReport
from rnncheck.report.report import Report

__all__ = ["Coverage", "Failed", "Report", "SubjectReport"]
