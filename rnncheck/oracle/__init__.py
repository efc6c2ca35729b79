"""The oracle: the truth in float64, and how far from it is allowed."""

from rnncheck.oracle.budget import Budget, budget
from rnncheck.oracle.gradient_budget import GradientBudget, gradient_budget
from rnncheck.oracle.rounding import ROUNDINGS, Rounding, rounding_for
from rnncheck.oracle.truth import OracleError, Question, truth

__all__ = [
    "ROUNDINGS",
    "Budget",
    "GradientBudget",
    "OracleError",
    "Question",
    "Rounding",
    "budget",
    "gradient_budget",
    "rounding_for",
    "truth",
]
