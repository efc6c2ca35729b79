"""Markers of what an argument's type cannot say: ``Annotated[Float[Tensor, "batch time key"], rnncheck.Values(high=0.0)]``."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rnncheck.errors import UsageError


@dataclass(frozen=True)
class State:
    """Mark an argument as a state: it goes in and comes out again.

    Attributes:
        name: it comes back as the result with ``State`` of the same name; None: as the one of the same type, in order
        new: what makes a new state that is no tensor, such as a cache that calls change in place; it may take ``batch``,
            ``dtype``, ``device``, ``module`` and the sizes of axes, by name
    """

    name: str | None = None
    new: Callable[..., Any] | None = None


@dataclass(frozen=True)
class Lengths:
    """Mark an argument as the number of steps of each sequence: integers (batch)."""


@dataclass(frozen=True)
class Offsets:
    """Mark an argument as the bounds of sequences that are laid end to end along time: integers (sequences+1)."""


@dataclass(frozen=True)
class Mask:
    """Mark an argument as a mask of steps, (batch, time): True where there is something.

    Attributes:
        padding: the side of a sequence that is padded, "right" or "left"
        inverted: True where there is nothing
    """

    padding: str = "right"
    inverted: bool = False

    def __post_init__(self) -> None:
        if self.padding not in ("right", "left"):
            raise UsageError(f"Mask(padding={self.padding!r}), but should be Mask(padding='right') or Mask(padding='left')")


@dataclass(frozen=True)
class Reset:
    """Mark an argument that says at which steps the state is forgotten: (batch, time), True where it is.

    Attributes:
        after: whether it is forgotten after such a step, as where ``done`` says that an episode ends with it, and not before it

    A case raises one flag in nine.
    """

    after: bool = False

    def __post_init__(self) -> None:
        if type(self.after) is not bool:
            raise UsageError(
                f"Reset(after={self.after!r}), but should be Reset(), which forgets before the step, or Reset(after=True)"
            )


@dataclass(frozen=True)
class Values:
    """Give an argument values from ``low`` to ``high``, most of them near ``high``, or near ``low`` where that is given alone.

    Cases draw x from a normal distribution. With one bound, the argument is ``softplus(x - 3) + 24 sigmoid(4x - 10)`` away from
    it; between both it is ``low + (high - low) * (0.001 + 0.999 sigmoid(x + 3) sigmoid(4x + 10))``. So most logarithms of a
    decay (high=0) are near no forgetting, and one in forty forgets nearly all. The bound near which most lie is among the values;
    between two, ``low`` is not: in logarithms, many right functions take no decay of exactly 0. A state of a case is reflected
    at its bounds; what a call returns goes into the next one as it is.
    """

    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if self.low is None and self.high is None:
            raise UsageError("Values() has no bound; write Values(low=0.0), Values(high=0.0), or both")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise UsageError(f"Values(low={self.low}, high={self.high}), but low should be below high")


@dataclass(frozen=True, init=False)
class Options:
    """Try an option with each of these values, such as chunk sizes: ``Annotated[int, Options(16, 64)]``."""

    values: tuple[Any, ...]

    def __init__(self, *values: Any) -> None:
        if not values:
            raise UsageError("Options() has no values; write those to try, as in Options(16, 64)")
        object.__setattr__(self, "values", values)


MARKERS = (State, Lengths, Offsets, Mask, Reset, Values, Options)
