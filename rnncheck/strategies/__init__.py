"""Hypothesis strategies for configurations and cases, and the covering array of the structural axes."""

from rnncheck.strategies.cases import cases, degenerate_sizes, lengths, sizes, values
from rnncheck.strategies.structure import Ledger, axes, row_of, rows

__all__ = ["Ledger", "axes", "cases", "degenerate_sizes", "lengths", "row_of", "rows", "sizes", "values"]
