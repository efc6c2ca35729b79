"""What a typed recurrence takes and returns: named tensors with named axes, their sizes, and options."""

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import torch
from torch import Tensor

from rnncheck.core.axis_size import axis_size

RAISED = 1.2
"""Numbers of an input beyond it are raised flags of a reset, one in nine of those that are drawn from a normal distribution."""

MOST_NEEDED = 16
"""Sizes up to it are tried for a name that other axes are computed from."""


@dataclass(frozen=True)
class NamedTensor:
    """A tensor of a typed recurrence: its name, and its axes in their order, such as ``batch time heads key``.

    low, high: the bounds of its values, None where there is none
    resets: of flags of a sequence, whether the state is forgotten "before" or "after" a step; "" where it is none
    flags: whether a sequence is True or False at each step, or says so in numbers, as those that reset a state do
    """

    name: str
    axes: str
    low: float | None = None
    high: float | None = None
    resets: str = ""
    flags: bool = False

    @property
    def raised_beyond(self) -> float:
        """The number of an input beyond which a flag is raised: flags that reset a state are raised less often."""
        return RAISED if self.resets else 0.0


@dataclass(frozen=True)
class Named:
    """The tensors of a typed recurrence and the sizes of their axes.

    sizes:     of each axis but time and batch
    sequences, states, outputs: the tensors, which lie side by side in the input, the state and the output of a case
    options:   the value of each option of the function
    time, batch: what these axes are called; batch is None where there is none

    >>> gla = Named((("heads", 2), ("key", 3)), (NamedTensor("q", "batch time heads key"),), (NamedTensor("s", "batch key key"),))
    >>> gla.input_size, gla.state_size, gla.but_sizes(key=1).state_size
    (6, 9, 1)
    """

    sizes: tuple[tuple[str, int], ...]
    sequences: tuple[NamedTensor, ...] = ()
    states: tuple[NamedTensor, ...] = ()
    outputs: tuple[NamedTensor, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()
    time: str = "time"
    batch: str | None = "batch"

    @property
    def input_size(self) -> int:
        """Features of the input: those of all sequences."""
        return self._together(self.sequences)

    @property
    def state_size(self) -> int:
        """Features of the state: those of all states; 1 where there is none."""
        return self._together(self.states) or 1

    @property
    def output_size(self) -> int:
        """Features of the output: those of all outputs."""
        return self._together(self.outputs)

    @property
    def given_sequences(self) -> tuple[NamedTensor, ...]:
        """The sequences that are given, as the options say."""
        return tuple(one for one in self.sequences if dict(self.options).get(one.name) != "left out")

    def place(self, sequence: NamedTensor) -> slice:
        """Where a sequence lies among the features of the input."""
        start = sum(map(self.features, self.sequences[: self.sequences.index(sequence)]))
        return slice(start, start + self.features(sequence))

    @property
    def arguments(self) -> dict[str, Any]:
        """The sizes and options, by name."""
        return {**dict(self.sizes), **dict(self.options)}

    @property
    def tensors(self) -> tuple[NamedTensor, ...]:
        """All of them."""
        return (*self.sequences, *self.states, *self.outputs)

    def features(self, tensor: NamedTensor) -> int:
        """Numbers that one step of one sequence has in this tensor."""
        return prod(axis_size(axis, dict(self.sizes)) for axis in tensor.axes.split() if axis not in (self.time, self.batch))

    def _together(self, tensors: Iterable[NamedTensor]) -> int:
        return sum(map(self.features, tensors))

    def within_bounds(self, state: Tensor) -> Tensor:
        """A state (…, state_size) with the values of each of the states within its bounds, by reflection at them."""
        return self._each(state, _reflected)

    def held(self, state: Tensor) -> Tensor:
        """The same with each value that lies beyond a bound at that bound."""
        return self._each(state, _clamped)

    def _each(self, state: Tensor, change: Callable[[Tensor, NamedTensor], Tensor]) -> Tensor:
        parts = state.split([self.features(one) for one in self.states] or [state.shape[-1]], -1)
        return torch.cat([change(part, one) for part, one in zip(parts, self.states, strict=False)] or [state], -1)

    def flagged(self, x: Tensor) -> Tensor:
        """An input (…, input_size) whose flags are 0 or 2, far from where they are raised, so that no rounding raises one."""
        parts = x.split([self.features(one) for one in self.sequences] or [x.shape[-1]], -1)
        pairs = zip(parts, self.sequences, strict=False)
        return torch.cat([2.0 * (part > one.raised_beyond).to(part.dtype) if one.flags else part for part, one in pairs] or [x], -1)

    def but_sizes(self, **sizes: int) -> "Named":
        """The same with other sizes, each as large as the axes that are computed from it need, such as 2 for ``width-1``."""
        return replace(self, sizes=tuple((axis, max(sizes.get(axis, size), self._least(axis))) for axis, size in self.sizes))

    def _least(self, name: str) -> int:
        """The smallest size of this name with which each axis that is computed from it alone is there; 1 where there is none."""
        alone = [axis for tensor in self.tensors for axis in tensor.axes.split() if axis != name and {*names_in(axis)} == {name}]
        return next((n for n in range(1, MOST_NEEDED) if all(axis_size(axis, {name: n}) > 0 for axis in alone)), 1)

    def but_options(self, **options: Any) -> "Named":
        """The same with other options."""
        return replace(self, options=tuple((name, options.get(name, value)) for name, value in self.options))

    def fits(self, other: "Named | None") -> bool:
        """Whether another one has the same tensors, axes and options, whatever their sizes and values."""
        if other is None or [name for name, _ in self.options] != [name for name, _ in other.options]:
            return False
        return replace(self, sizes=(), options=()) == replace(other, sizes=(), options=()) and (
            [axis for axis, _ in self.sizes] == [axis for axis, _ in other.sizes]
        )

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.arguments.items()) or "no axes of its own"


def _reflected(values: Tensor, tensor: NamedTensor) -> Tensor:
    if tensor.low is not None:
        values = tensor.low + (values - tensor.low).abs()
    return values if tensor.high is None else tensor.high - (tensor.high - values).abs().clamp(max=_width(tensor))


def _clamped(values: Tensor, tensor: NamedTensor) -> Tensor:
    return values if tensor.low is None and tensor.high is None else values.clamp(tensor.low, tensor.high)


def _width(tensor: NamedTensor) -> float:
    return float("inf") if tensor.low is None or tensor.high is None else tensor.high - tensor.low


def names_in(axes: str) -> list[str]:
    """Return the names that these axes speak of, without numbers: those in ``2*hidden`` too.

    >>> names_in("batch time 2*hidden 3")
    ['batch', 'time', 'hidden']
    """
    trees = (ast.parse(axis, mode="eval") for axis in axes.split())
    return [node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)]


def sizes_of(tensors: Iterable[NamedTensor], but: Mapping[str | None, Any]) -> list[str]:
    """Return the axes of these tensors of which a size must be known, each once, in their order."""
    return list(dict.fromkeys(name for tensor in tensors for name in names_in(tensor.axes) if name not in but))
