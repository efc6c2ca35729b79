"""Subjects that round more coarsely than they say: which rounding would explain them.

A roundoff that is deterministic is imitated (a cell state kept in bfloat16, operands cut to TF32): the imitation must explain
most of the error. One that is not (half precision sums, whose order is unknown) can only be seen to be of the right size:
within the model, not far below its noise, and in most elements. What is said then is weaker.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from rnncheck.oracle.asked import Asked
from rnncheck.oracle.budgets import Budget, budget_of
from rnncheck.oracle.fits import flat
from rnncheck.oracle.rounding import ROUNDINGS, Rounding, unit_roundoff
from rnncheck.oracle.variants import Function, kept_as, tf32, tf32_cut
from rnncheck.run import Run

EXPLAINED = 4.0
"""An imitation must leave at most a quarter of the error, in the root mean square of the elements that are off."""
LOUD, BROAD = 0.03, 200.0
"""Without imitation, the largest share of the model's budget must reach LOUD, and the median be 1 / BROAD of it."""
SYSTEMATIC = 0.9
"""Squared correlation of errors with values beyond which they are no roundoffs."""


@dataclass(frozen=True)
class Coarser:
    """name completes "agrees with …"; model allows it; places: what is rounded to imitate it, None if nothing can."""

    name: str
    model: Rounding
    places: Mapping[str, Function] | None = None


def imitable(rounding: Rounding, has_cell: bool) -> Iterator[Coarser]:
    """Roundoffs at a known place, coarser than the model's."""
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        unit, name, keep = unit_roundoff(dtype), str(dtype).removeprefix("torch."), kept_as(dtype)
        if unit <= rounding.store:
            continue
        whole = ROUNDINGS["float32" if dtype == torch.float32 else f"autocast({name})"]
        if has_cell:
            yield Coarser(f"if the cell state is kept in {name}", rounding.but(cell=unit), {"c": keep})
        yield Coarser(f"if the state h is kept in {name}", whole, {"h": keep})
        if has_cell:
            yield Coarser(f"if both states are kept in {name}", whole, {"c": keep, "h": keep})
        if dtype != torch.float16:  # TF32 has its roundoff
            operands = f"if the operands of products are rounded to {name}"
            yield Coarser(operands, rounding.but(operand=unit), {"operand": keep})
    if rounding.store <= unit_roundoff(torch.float32) and not rounding.operand:
        name = "if the operands of products are rounded to TF32 (or float16)"
        yield Coarser(name, ROUNDINGS["tf32"], {"operand": tf32})
        yield Coarser("if the operands of products are cut to TF32", ROUNDINGS["tf32"], {"operand": tf32_cut})


def sized(rounding: Rounding) -> Iterator[Coarser]:
    """Roundoffs that only have a size, from fine to coarse."""
    if rounding.store < unit_roundoff(torch.float32):
        yield Coarser("within the rounding of float32", ROUNDINGS["float32"])
    for dtype in (torch.float16, torch.bfloat16):
        unit, name = unit_roundoff(dtype), str(dtype).removeprefix("torch.")
        if unit > rounding.accumulate and unit >= rounding.store:
            yield Coarser(f"within the rounding of products accumulated in {name}", rounding.but(accumulate=unit))
        if unit > rounding.store:
            yield Coarser(f"within the rounding of {name}", ROUNDINGS[f"autocast({name})"])


def _weights(change: Function) -> Callable[[str, Tensor], Tensor]:
    return lambda name, value: change(value) if name.startswith("weight") else value


def _imitated(asked: Asked, places: Mapping[str, Function]) -> Tensor:
    changed = asked.seeing(places)
    return flat((changed.parameter(_weights(places["operand"])) if "operand" in places else changed).solve())


class Rounded:
    """A subject's result, held against coarser models of rounding than its own."""

    def __init__(self, asked: Asked, actual: Run, budget: Budget, rounding: Rounding, seed: int) -> None:
        self.asked, self.rounding, self.seed = asked, rounding, seed
        self.values, self.truth, self.allowed = flat(actual), flat(budget.truth), flat(budget.allowed)

    def _share(self, model: Rounding) -> Tensor:
        return (self.values - self.truth).abs() / flat(budget_of(self.asked.problem(), model, self.seed).allowed)

    def imitated(self) -> str | None:
        """The rounding at a known place that leaves the least of the error, as the end of a sentence; None if none explains it."""
        off = (self.values - self.truth).abs() > self.allowed
        error, explained = (self.values - self.truth)[off].square().mean(), []
        for candidate in imitable(self.rounding, self.asked.config.has_cell):
            assert candidate.places is not None
            left = float((self.values - _imitated(self.asked, candidate.places))[off].square().mean() / error)
            if left * EXPLAINED**2 <= 1 and float(self._share(candidate.model).max()) <= 1:
                explained.append((left, candidate.name))
        return min(explained)[1] if explained else None

    def _in_proportion(self) -> bool:
        """Whether the errors are mostly a multiple of the values, as roundoffs of either sign never are: a wrong factor."""
        off = (self.values - self.truth).abs() > self.allowed
        error, truth = (self.values - self.truth)[off], self.truth[off]
        return float(error.dot(truth) ** 2) > SYSTEMATIC * float(error.square().sum() * truth.square().sum())

    def sized(self) -> str | None:
        """The finest model that the result is within, and not far within; None if there is none."""
        if self._in_proportion():
            return None
        for candidate in sized(self.rounding):
            shares = self._share(candidate.model)
            largest, middle = float(shares.max()), float(shares[self.truth != 0].median())
            if LOUD <= largest <= 1 and middle * BROAD >= largest:
                return candidate.name
        return None
