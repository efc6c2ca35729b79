"""Random rounding: each rounding error of a real implementation replaced by a random one of the right size."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import torch
from torch import Tensor

from rnncheck.oracle.equal_rows import Twins
from rnncheck.oracle.equations import Observer, Through
from rnncheck.oracle.margin import margin, pooled, variance

Exact = Mapping[str, Mapping[int, Tensor]]
"""place -> time -> the truth there, (…, 1, batch, size)."""

SATURATED = "saturated"
"""Among the errors, what gates lose that round to 1: a gate that keeps a state does so at every step, in one direction."""
NOTHING = 1e-290
"""Decides the sign of 0, and nothing else."""
_SPAN = 1 << 13


@lru_cache(maxsize=4)
def _normal(seed: int, count: int) -> Tensor:
    """Return ``count`` normal numbers; those of a case's seed are asked for by every budget of the case, and only read."""
    generator = torch.Generator("cpu").manual_seed(seed)
    return torch.randn(count, generator=generator, dtype=torch.float64, device="cpu")


class RandomTape:
    """Normal numbers, drawn once: an error is its size times a window of them at a place of its own.

    Normal, so that sigma has the law that spread.py takes it to have, however few errors it is made of; a place of its own,
    so that no two errors are the same or cancel.
    """

    def __init__(self, seed: int, longest: int) -> None:
        self._numbers = _normal(seed, _SPAN + longest)
        places = random.Random(seed)
        self._place, self._step = places.randrange(_SPAN), 2 * places.randrange(_SPAN // 2) + 1  # odd: all places in turn

    def place(self) -> int:
        """Where a window may begin."""
        self._place = (self._place + self._step) % _SPAN
        return self._place

    def common(self, runs: int) -> Tensor:
        """(copies, 1, 1): one number a copy, always the same."""
        return self._numbers[:runs].view(runs, 1, 1)

    def window(self, place: int, shape: Sequence[int]) -> Tensor:
        """The numbers from there on, in this shape."""
        return self._numbers[place : place + prod(shape)].view(shape)

    def windows(self, places: Sequence[int], shape: Sequence[int]) -> Tensor:
        """A copy of those from each of these places on, (places, *shape)."""
        return self._numbers.unfold(0, prod(shape), 1)[list(places)].view(len(places), *shape)


@dataclass(frozen=True)
class Copies:
    """How many: runs in all, of which from number `count` on errors repeat (twins.py); sigma is of `count` of them."""

    count: int
    runs: int

    @classmethod
    def of(cls, count: int, repeating: bool) -> "Copies":
        """Twice as many runs where errors may repeat."""
        return cls(count, 2 * count if repeating else count)


class Numbers:
    """The random numbers that move the results of one operation, step by step."""

    def __init__(self, tape: RandomTape, copies: Copies, twins: Twins | None) -> None:
        self._tape, self._copies, self._twins = tape, copies, twins
        self._always: int | None = None
        self._kept: tuple[Tensor, Tensor] | None = None

    def always(self, error: Tensor) -> Tensor:
        """The same at every step."""
        self._always = self._tape.place() if self._always is None else self._always
        numbers = self._tape.window(self._always, (*error.shape[:-3], self._copies.runs, *error.shape[-2:]))
        return numbers if self._twins is None else self._twins.share(numbers, self._copies.count)

    def at(self, error: Tensor, away: Tensor) -> Tensor:
        """Of this step, for errors (…, 1, batch, size) of every copy; away: how far from the truth each copy is by now.

        A part of each error is not random from step to step: it pushes further away, or on the way back, where nothing is known
        of that, is the same at every step apart from an alternating part. It is 1 / margin of the error, so that what is allowed,
        margin times sigma, is as much as roundings that all have the same sign add up to.
        """
        shape = (*error.shape[:-3], self._copies.runs, *error.shape[-2:])
        numbers = self._tape.window(self._tape.place(), shape)
        same, _ = self._kept = self._kept or self._steady(shape)
        numbers = numbers + torch.copysign(same, torch.add(away, same, alpha=NOTHING))
        return numbers if self._twins is None else self._twins.share(numbers, self._copies.count)

    def throughout(self, errors: Tensor) -> Tensor:
        """Return the numbers of all steps of the way back, (…, time, copies, batch, size) for errors (…, time, 1, batch, size)."""
        shape = (*errors.shape[:-4], self._copies.runs, *errors.shape[-2:])
        first = self._tape.place()
        same, alternating = self._kept = self._kept or self._steady(shape)
        places = [first, *(self._tape.place() for _ in range(errors.shape[-4] - 1))]
        numbers = self._tape.windows(places, shape)
        numbers[0::2] += same - alternating
        numbers[1::2] += same + alternating
        if self._twins is not None:
            numbers = torch.stack([self._twins.share(step, self._copies.count) for step in numbers])
        return numbers.movedim(0, -4)

    def _steady(self, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Two numbers that are the same at every step."""
        one, other = (self._tape.window(self._tape.place(), shape) / margin(self._copies.count) for _ in range(2))
        return one, other


class Perturb(Through):
    """Adds random rounding errors, others to each copy."""

    def __init__(
        self,
        errors: Mapping[str, Tensor],
        exact: Exact,
        tape: RandomTape,
        copies: Copies,
        twins: Mapping[str, Twins],
        operand: float,
        inner: Observer | None = None,
    ) -> None:
        super().__init__(inner)
        self.operand, self.exact, self.tape, self.copies = operand, exact, tape, copies
        self.factors: dict[int, Tensor] = {}
        self.errors = {place: error.unbind(-4) for place, error in errors.items()}
        same = {**twins, **({SATURATED: twins["s"]} if "s" in twins else {})}
        self.numbers = {place: Numbers(tape, copies, same.get(place)) for place in errors}
        self.saturates = SATURATED in errors and bool(errors[SATURATED].any())

    def __call__(self, place: str, time: int, value: Tensor) -> Tensor:
        value = self.inner(place, time, value)
        if place == "operand" and self.operand:
            return value * self._factor(value)
        errors = self.errors.get(place)
        if errors is None:
            return value
        error = errors[time]
        away = value.detach() - self.exact[place][time]
        value = torch.addcmul(value, error, self.numbers[place].at(error, away))
        if place == "s" and self.saturates:
            lost = self.errors[SATURATED][time]
            value = torch.addcmul(value, lost, self.numbers[SATURATED].always(lost))
        return value

    def _factor(self, value: Tensor) -> Tensor:
        """(copies, 1, size): a weight is rounded, and operands are cut off, the same way at every step.

        1 + operand * (a number of each column's + one of the copy's own), other columns for the input than for the state.
        """
        kind, runs = value.dim(), self.copies.runs
        if kind not in self.factors:
            own = self.tape.window(self.tape.place(), (runs, 1, value.shape[-1]))
            self.factors[kind] = 1 + self.operand * (own + self.tape.common(runs))
        return self.factors[kind]


def slopes_in_doubt(on: Tensor, doubtful: Tensor, twins: Twins | None = None) -> Tensor:
    """The variance of the logarithm of what goes through rectifiers, (…, units): k / 16 / (n + k / 2)².

    Twins switch at once. Where no unit is surely on, all or nothing goes through them: then it is infinite.
    """
    k, n = doubtful.sum(-1), (on & ~doubtful).sum(-1)
    slopes = k / 16 / (n + k / 2).clamp(min=0.5).square()
    if twins is None:
        return slopes
    at_once = (doubtful & (twins.same.bincount()[twins.same] > 1)).sum(-1) > 1
    return slopes.masked_fill(at_once & (n == 0), torch.inf)


class PerturbRectifiers(Perturb):
    """The same for rectifiers, of which some are within rounding of their kink.

    Such a one is off in some copies, so that few show its error; but a rectified number is never off by more than the number
    itself, whose variance is kept in `doubt`, (time, 1, batch, hidden). And the errors of earlier steps go through as many
    units as are on: with n on and k in doubt, each of which is on in half of the cases, the logarithm of the root mean square
    that goes through has a variance, kept in `slopes`, (time, batch).
    """

    def of(self, before: Tensor, underflow: float, twins: Twins | None) -> "PerturbRectifiers":
        """These kinks; before: the truth in front of the rectifiers, (time, 1, batch, hidden); twins: of their errors there."""
        self.twins = twins
        self.before, self.underflow, self.doubt = before, underflow, torch.zeros_like(before)
        self.slopes = before.new_zeros(before.shape[0], before.shape[2])
        return self

    def __call__(self, place: str, time: int, value: Tensor) -> Tensor:
        value = super().__call__(place, time, value)
        if place == "a":
            self._look(time, value[0])
        return value

    def _look(self, time: int, copies: Tensor) -> None:
        true, count = self.before[time], self.copies.count
        spread = variance(true, copies, count)
        doubtful = true.abs() <= margin(count) * pooled(spread) + self.underflow
        self.doubt[time] = torch.where(doubtful, spread, 0.0)
        doubtful &= spread > 100 * self.underflow**2  # at rest at 0, where nothing switches it
        self.slopes[time] = slopes_in_doubt(true > 0, doubtful, self.twins).squeeze(0)


def random_like(errors: Tensor, tape: RandomTape, copies: Copies, twins: Twins | None) -> Tensor:
    """Errors of these sizes for all steps, (…, time, copies, batch, size)."""
    return errors * Numbers(tape, copies, twins).throughout(errors)
