"""Random rounding: each rounding error of a real implementation replaced by a random one of the right size."""

import random
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from rnncheck.oracle.equations import Observer, Through

REPEATS = 4
"""Every 4th step makes the same rounding errors again. Those of a layer that repeats itself (a constant input, a steady
state) are not independent in time, and add up in proportion to the number of steps instead of its root."""

_SPAN = 1 << 13


class Tape:
    """Random signs, drawn once: an error is its size times a window of them at a random place.

    A sign, rather than a number from an interval: the sum of many is as normal, and that of few is never tiny by chance.
    """

    def __init__(self, seed: int, longest: int) -> None:
        generator = torch.Generator("cpu").manual_seed(seed)
        bits = torch.randint(0, 2, (_SPAN + longest,), generator=generator, dtype=torch.int8, device="cpu")
        self._signs = bits.double().mul_(2).sub_(1)
        self._places = random.Random(seed)

    def place(self) -> int:
        """Where a window may begin."""
        return self._places.randrange(_SPAN)

    def window(self, place: int, shape: Sequence[int]) -> Tensor:
        """The signs from there on, in this shape."""
        size = 1
        for length in shape:
            size *= length
        return self._signs[place : place + size].view(shape)


class Jitter(Through):
    """Adds random rounding errors, of other signs for each copy."""

    def __init__(self, errors: Mapping[str, Tensor], tape: Tape, copies: int, inner: Observer | None = None) -> None:
        super().__init__(inner)
        self.errors = {place: error.unbind(-4) for place, error in errors.items()}
        self.again = {place: tape.place() for place in errors}
        self.tape, self.copies = tape, copies

    def __call__(self, place: str, time: int, value: Tensor) -> Tensor:
        value = self.inner(place, time, value)
        errors = self.errors.get(place)
        if errors is None:
            return value
        error = errors[time]
        begin = self.tape.place() if time % REPEATS else self.again[place]
        signs = self.tape.window(begin, (*error.shape[:-3], self.copies, *error.shape[-2:]))
        return torch.addcmul(value, error, signs)
