"""A candidate and its reference: built with the same arguments, given the same weights, called with the same inputs."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from rnncheck.core.values import generator
from rnncheck.errors import UsageError
from rnncheck.running.pair_draws import default_dtype
from rnncheck.running.subject_errors import seeded

Axis = tuple[int, int]
"""An axis of an input: which input, which axis."""
Shapes = tuple[tuple[int, ...] | None, ...]
"""Of the inputs in their order; None for what is no tensor."""


@dataclass(frozen=True)
class PairReading:
    """What experiments on the reference have shown.

    smaller:  which whole number of the constructor's arguments and of the shapes becomes which; None where none fit
    small:    shapes of the inputs with these; ``given`` those of get_inputs
    rows:     the axes of the inputs that are the batch; ``steps`` those that are time
    permutes: the batch axis of each result by its path, where rows may be exchanged; empty where they may not
    draws:    whether results depend on torch's random state
    below:    whole numbers in small inputs are taken modulo this, None where they are as they come
    """

    given: Shapes
    smaller: Mapping[int, int] | None = None
    small: Shapes = ()
    rows: tuple[Axis, ...] = ()
    steps: tuple[Axis, ...] = ()
    permutes: Mapping[str, int] = field(default_factory=dict)
    draws: bool = False
    below: int | None = None

    def shapes(self, small: bool, rows: int | None = None, steps: int | None = None) -> Shapes:
        """The shapes of the inputs with these sizes."""
        shapes = self.small if small else self.given
        sizes = {axis: rows for axis in self.rows if rows is not None} | {axis: steps for axis in self.steps if steps is not None}
        return tuple(
            None if shape is None else tuple(sizes.get((place, axis), size) for axis, size in enumerate(shape))
            for place, shape in enumerate(shapes)
        )

    def given_size(self, name: str) -> int:
        """How many ``rows`` or ``steps`` the inputs of get_inputs have; 1 where there is no such axis."""
        axes = self.rows if name == "rows" else self.steps
        return max(((self.given[place] or ())[axis] for place, axis in axes), default=1)

    def words(self) -> str:
        """What was found out, in one line."""
        sizes = "smaller sizes" if self.smaller is not None else "its own sizes alone"
        return f"tried with {sizes}, batch {_axes(self.rows)}, time {_axes(self.steps)}"


def _axes(axes: tuple[Axis, ...]) -> str:
    return " and ".join(f"axis {axis} of input {place}" for place, axis in axes) or "not free"


@dataclass(frozen=True)
class Pair:
    """The classes ModelNew and Model, as they were located, and how the reference was read."""

    candidate: Any
    reference: Any
    reading: PairReading | None = None

    def init(self, smaller: Mapping[int, int] | None = None) -> tuple[list[Any], dict[str, Any]]:
        """Positional and named arguments of the constructor, with smaller numbers where they are asked for."""
        found = replaced(example(self.reference, "get_init_inputs"), smaller or {})
        return ([], found) if isinstance(found, dict) else (list(found), {})

    def inputs(self) -> list[Any]:
        """What get_inputs returns."""
        return list(example(self.reference, "get_inputs"))

    def drawn(self, shapes: Shapes, key: str, seed: int, below: int | None = None) -> list[Any]:
        """Inputs of these shapes, each number drawn from those that get_inputs gives; what is no tensor stays."""
        with seeded(seed):
            given = self.inputs()
        pairs = enumerate(zip(given, shapes, strict=True))
        return [_drawn(value, shape, key, seed, place, below) for place, (value, shape) in pairs]


def _drawn(value: Any, shape: tuple[int, ...] | None, key: str, seed: int, place: int, below: int | None) -> Any:
    if shape is None:
        return value
    flat, total = value.reshape(-1), int(torch.Size(shape).numel())
    if not flat.numel():
        return torch.zeros(shape, dtype=value.dtype)
    picked = flat[torch.randint(0, flat.numel(), (total,), generator=generator(seed, f"{key} {place}"))].reshape(shape)
    counts = below is not None and not picked.is_floating_point() and picked.dtype != torch.bool
    return picked % below if counts else picked


def example(reference: Any, name: str) -> Any:
    """What the function of this name in the reference's module returns; raises UsageError where it returns no list."""
    found = function_of(reference, name)()
    if not isinstance(found, list | tuple | dict):
        raise UsageError(f"{reference.name}: {name}() returns a {type(found).__name__}, but should return a list")
    return found


def function_of(reference: Any, name: str) -> Any:
    """The function of this name beside the reference; raises UsageError where there is none."""
    module = sys.modules.get(getattr(reference.object, "__module__", ""))
    found = getattr(module, name, None)
    if not callable(found):
        raise UsageError(f"{reference.name}: its module has no {name}(), but should have get_inputs() and get_init_inputs()")
    return found


def replaced(value: Any, smaller: Mapping[int, int]) -> Any:
    """The same with other whole numbers, in nested lists too.

    >>> replaced([128, [128, True], "relu"], {128: 5})
    [5, [5, True], 'relu']
    """
    if isinstance(value, list | tuple):
        return type(value)([replaced(part, smaller) for part in value])
    if isinstance(value, dict):
        return {key: replaced(part, smaller) for key, part in value.items()}
    return smaller.get(value, value) if type(value) is int else value


def built(kind: Any, init: tuple[list[Any], dict[str, Any]], seed: int, dtype: torch.dtype, device: str = "cpu") -> nn.Module:
    """A model of this class, made in this dtype, with what it draws drawn from the seed."""
    positional, named = init
    with seeded(seed, device), default_dtype(dtype):
        return kind(*positional, **named).to(dtype).to(device)


class Unmatched(Exception):
    """The candidate's parameters are not those of the reference; the message says which."""


def matched(reference: nn.Module, candidate: nn.Module) -> dict[str, str]:
    """The candidate's name of each of the reference's parameters and buffers: the same, else the next of its shape in order."""
    own, other = reference.state_dict(), candidate.state_dict()
    if all(name in other and other[name].shape == value.shape for name, value in own.items()):
        return {name: name for name in own}
    shapes, others = [value.shape for value in own.values()], [value.shape for value in other.values()]
    if shapes == others:
        return dict(zip(own, other, strict=True))
    missing = next(name for name, value in own.items() if name not in other or other[name].shape != value.shape)
    raise Unmatched(
        f"its state_dict has no {missing} of shape {tuple(own[missing].shape)}, but should have the reference's names, "
        "or its shapes in the same order"
    )


def kept(model: nn.Module) -> Iterator[tuple[str, dict[str, Any], str, Tensor]]:
    """(key, attributes, name, tensor) of tensors that modules keep as plain attributes: states that no state_dict has."""
    for path, module in model.named_modules():
        attributes = vars(module)
        for name, value in list(attributes.items()):
            if isinstance(value, Tensor):
                yield f"{path}.{name}", attributes, name, value


def load(model: nn.Module, values: Mapping[str, Tensor], names: Mapping[str, str], states: Mapping[str, Tensor]) -> None:
    """Give the model these weights, under its own names for them, and these states where it keeps any."""
    live = model.state_dict(keep_vars=True)
    with torch.no_grad():
        for name, value in values.items():
            live[names[name]].copy_(value)
    for key, attributes, name, value in kept(model):
        if key in states and states[key].shape == value.shape:
            attributes[name] = states[key].to(value.device, value.dtype, copy=True)


def floating(tensor: object) -> bool:
    """Whether it is a tensor of floating point numbers."""
    return isinstance(tensor, Tensor) and tensor.is_floating_point()


def cast(inputs: Sequence[Any], dtype: torch.dtype, device: str = "cpu") -> list[Any]:
    """Copies of the inputs, those of floating point in this dtype."""
    return [
        value if not isinstance(value, Tensor)
        else value.detach().to(device=device, dtype=dtype if floating(value) else value.dtype, copy=True)
        for value in inputs
    ]  # fmt: skip
