"""What was done with a candidate, for those who want to write it down."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rnncheck.running.pair_results import Tensors


@dataclass(frozen=True)
class Loaded:
    """Weights and states that a candidate was given, by its own names."""

    weights: Tensors
    states: Tensors


@dataclass(frozen=True)
class Called:
    """One call of a candidate: copies of what it was given, at which random state, and what came of it.

    again:   whether the tensors are those of the call before, with these numbers written into them
    results: copies of its results by path
    """

    inputs: Sequence[Any]
    seed: int
    grad: bool
    again: bool
    results: Tensors


@dataclass(frozen=True)
class Did:
    """A deed on a candidate: copies of what it was given, at which random state, and what it returned."""

    deed: Callable[..., Any]
    arguments: Sequence[Any]
    seed: int
    grad: bool
    result: Any
