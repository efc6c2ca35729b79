"""Random rounding: each rounding error of a real implementation replaced by a random one of the right size."""

import random
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from rnncheck.oracle.equations import Observer, Through

Rhythm = Sequence[int | None]
"""For each time step: a number, and all steps of that number make the same rounding errors; None for new ones."""

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


class Signs:
    """The signs of one place of one strand, step by step."""

    def __init__(self, tape: Tape, rhythm: Rhythm) -> None:
        self._tape, self._rhythm, self._again = tape, rhythm, {}  # type: ignore[var-annotated]

    def at(self, time: int, shape: Sequence[int]) -> Tensor:
        """Of this step: new ones, or those of the steps of its number."""
        number = self._rhythm[time]
        begin = self._tape.place()
        return self._tape.window(begin if number is None else self._again.setdefault(number, begin), shape)


class Jitter(Through):
    """Adds random rounding errors, of other signs for each copy."""

    def __init__(
        self, errors: Mapping[str, Tensor], rhythm: Rhythm, tape: Tape, copies: int, inner: Observer | None = None
    ) -> None:
        super().__init__(inner)
        self.errors = {place: error.unbind(-4) for place, error in errors.items()}
        self.signs = {place: Signs(tape, rhythm) for place in errors}
        self.copies = copies

    def __call__(self, place: str, time: int, value: Tensor) -> Tensor:
        value = self.inner(place, time, value)
        errors = self.errors.get(place)
        if errors is None:
            return value
        error = errors[time]
        signs = self.signs[place].at(time, (*error.shape[:-3], self.copies, *error.shape[-2:]))
        return torch.addcmul(value, error, signs)


def random_like(errors: Tensor, rhythm: Rhythm, tape: Tape, copies: int) -> Tensor:
    """Errors of these sizes for all steps, (…, time, copies, batch, size)."""
    signs, shape = Signs(tape, rhythm), (*errors.shape[:-4], copies, *errors.shape[-2:])
    return errors * torch.stack([signs.at(time, shape) for time in range(errors.shape[-4])], dim=-4)
