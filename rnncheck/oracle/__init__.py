"""The oracle: the truth in float64, how far from it is allowed, and where and why a subject leaves it."""

from rnncheck.diagnosis.altered_case import asked_of
from rnncheck.diagnosis.diagnose import diagnose
from rnncheck.diagnosis.evidence import Answer
from rnncheck.diagnosis.localise import Location, error_curve, localise
from rnncheck.oracle.budget import Budget, budget
from rnncheck.oracle.gradient_budget import GradientBudget, gradient_budget
from rnncheck.oracle.rounding import ROUNDINGS, Rounding, rounding_for
from rnncheck.oracle.truth import OracleError, truth

__all__ = [
    "ROUNDINGS",
    "Answer",
    "Budget",
    "GradientBudget",
    "Location",
    "OracleError",
    "Rounding",
    "asked_of",
    "budget",
    "diagnose",
    "error_curve",
    "gradient_budget",
    "localise",
    "rounding_for",
    "truth",
]
