"""Equations that differ in one place, as observers: the usual ways to write a cell that is not the documented one."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from rnncheck.oracle.equations import Observer

Function = Callable[[Tensor], Tensor]


class With(Observer):
    """Other elementary functions, and any number of places with their values changed."""

    def __init__(self, functions: Mapping[str, Function], places: Mapping[str, Function]) -> None:
        self.functions, self.places = functions, places

    def sigmoid(self, value: Tensor) -> Tensor:
        return self.functions.get("sigmoid", torch.sigmoid)(value)

    def tanh(self, value: Tensor) -> Tensor:
        return self.functions.get("tanh", torch.tanh)(value)

    def squash(self, value: Tensor) -> Tensor:
        return self.functions.get("squash", torch.tanh)(value)

    def relu(self, value: Tensor) -> Tensor:
        return self.functions.get("relu", torch.relu)(value)

    def __call__(self, place: str, time: int, value: Tensor) -> Tensor:
        change = self.places.get(place)
        return value if change is None else change(value)


def gate(index: int, change: Function) -> Function:
    """Changes one of the stacked gates."""

    def changed(s: Tensor) -> Tensor:
        return torch.stack([change(value) if i == index else value for i, value in enumerate(s)])

    return changed


def one_sigmoid(index: int, function: Function) -> Function:
    """The sigmoids of all gates, of which one is another function."""
    return lambda a: torch.stack([function(value) if i == index else value.sigmoid() for i, value in enumerate(a)])


def kept_as(dtype: torch.dtype) -> Function:
    """Rounded to dtype and back."""
    return lambda value: value.to(dtype).double()


def tf32(value: Tensor) -> Tensor:
    """Rounded to 10 explicit bits, ties away from zero."""
    mantissa, exponent = torch.frexp(value)
    return torch.ldexp(torch.floor(mantissa.abs() * 2**11 + 0.5).copysign(mantissa) / 2**11, exponent)


def tf32_cut(value: Tensor) -> Tensor:
    """Cut to 10 explicit bits."""
    mantissa, exponent = torch.frexp(value)
    return torch.ldexp(torch.trunc(mantissa * 2**11) / 2**11, exponent)


SIGMOIDS: dict[str, Function] = {
    "hard: clip(x / 6 + 1/2, 0, 1)": lambda x: (x / 6 + 0.5).clamp(0, 1),
    "hard: clip(0.2 x + 1/2, 0, 1)": lambda x: (0.2 * x + 0.5).clamp(0, 1),
    "hard: clip(x / 4 + 1/2, 0, 1)": lambda x: (x / 4 + 0.5).clamp(0, 1),
    "approximated by 1/2 + x / (2 (1 + |x|))": lambda x: 0.5 + x / (2 * (1 + x.abs())),
    "tanh": torch.tanh,
    "left out": lambda x: x,
    "a Taylor polynomial, 1/2 + x / 4 - x³ / 48": lambda x: 0.5 + x / 4 - x**3 / 48,
}
TANHS: dict[str, Function] = {
    "hard: clip(x, -1, 1)": lambda x: x.clamp(-1, 1),
    "approximated by x / (1 + |x|)": lambda x: x / (1 + x.abs()),
    "approximated by x (27 + x²) / (27 + 9 x²)": lambda x: (x * (27 + x * x) / (27 + 9 * x * x)).clamp(-1, 1),
    "a sigmoid": torch.sigmoid,
    "a rectifier": torch.relu,
    "left out": lambda x: x,
    "1.7159 tanh(2 x / 3)": lambda x: 1.7159 * torch.tanh(2 * x / 3),
    "a sine": torch.sin,
    "arctan": torch.atan,
    "a Taylor polynomial, x - x³ / 3": lambda x: x - x**3 / 3,
}
