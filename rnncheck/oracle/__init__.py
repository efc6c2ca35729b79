"""The oracle: the truth in float64, how far from it is allowed, and where and why a subject leaves it."""

from rnncheck.oracle.budget import Budget, budget
from rnncheck.oracle.gradients import GradientBudget, gradient_budget
from rnncheck.oracle.problem import OracleError, truth
from rnncheck.oracle.rounding import ROUNDINGS, Rounding, rounding_for

__all__ = [
    "ROUNDINGS",
    "Budget",
    "GradientBudget",
    "OracleError",
    "Rounding",
    "budget",
    "gradient_budget",
    "rounding_for",
    "truth",
]
