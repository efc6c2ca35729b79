"""Subjects that round more coarsely than they say: which roundings would explain them.

A coarser rounding model alone proves little, since it allows any error of its size. So a roundoff that is deterministic is
imitated (a cell state kept in bfloat16, operands cut to TF32): the imitation must explain most of the error. Where it
cannot be (half precision sums, whose order is unknown), the error must look like that rounding: within the model, and not far
below its noise, in most elements.
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
ALIKE = 0.02
"""Without imitation, the median |error| / allowed must reach this; correct float32 layers have 0.01 to 0.05."""


@dataclass(frozen=True)
class Coarser:
    """name completes "agrees with … if …"; model allows it; places: the ways to imitate it."""

    name: str
    model: Rounding
    places: tuple[Mapping[str, Function], ...] = ()


def _candidates(rounding: Rounding) -> Iterator[Coarser]:
    """From fine to coarse."""
    single, halves = torch.float32, (torch.float16, torch.bfloat16)
    if rounding.store < unit_roundoff(single):
        yield Coarser("it computes in float32", ROUNDINGS["float32"])
        unit = unit_roundoff(single)
        keep = kept_as(single)
        yield Coarser("the cell state is kept in float32", rounding.but(cell=unit), ({"c": keep},))
    if rounding.operand < 2.0**-11 and rounding.store <= unit_roundoff(single):
        cut: tuple[dict[str, Function], ...] = ({"operand": tf32}, {"operand": tf32_cut})
        yield Coarser("the operands of products are rounded to TF32", ROUNDINGS["tf32"], cut)
    for half in halves:
        unit, name, keep = unit_roundoff(half), str(half).removeprefix("torch."), kept_as(half)
        if unit <= rounding.store:
            continue
        yield Coarser(f"the cell state is kept in {name}", rounding.but(cell=unit), ({"c": keep},))
        carried = ROUNDINGS[f"autocast({name})"]
        yield Coarser(f"the states are kept in {name}", carried, ({"c": keep, "h": keep}, {"h": keep}))
        operands = rounding.but(operand=unit)
        yield Coarser(f"the operands of products are rounded to {name}", operands, ({"operand": keep},))
        sums = rounding.but(accumulate=unit)
        yield Coarser(f"products are accumulated in {name}", sums)
        yield Coarser(f"it computes in {name}", ROUNDINGS[f"autocast({name})"])
    for half in halves:
        unit, name = unit_roundoff(half), str(half).removeprefix("torch.")
        if unit == rounding.store and rounding.accumulate < unit:
            yield Coarser(f"products are accumulated in {name}", rounding.but(accumulate=unit))


def _rounded_weights(change: Function) -> Callable[[str, Tensor], Tensor]:
    return lambda name, value: change(value) if "weight" in name else value


def _imitations(asked: Asked, candidate: Coarser) -> Iterator[Asked]:
    for places in candidate.places:
        imitated = asked.seeing(places)
        yield imitated.parameter(_rounded_weights(places["operand"])) if "operand" in places else imitated


def _explains(candidate: Coarser, asked: Asked, actual: Tensor, truth: Tensor, off: Tensor, share: Tensor) -> bool:
    if not candidate.places:
        return float(share.median()) >= ALIKE
    error = (actual - truth)[off].square().mean()
    remaining = (flat(imitated.solve()) - actual for imitated in _imitations(asked, candidate))
    return any(bool(rest[off].square().mean() * EXPLAINED**2 <= error) for rest in remaining)


def coarser(asked: Asked, actual: Run, budget: Budget, rounding: Rounding, seed: int) -> str | None:
    """The finest of the coarser roundings that explains the subject, as the end of a sentence; None if none does."""
    values, truth, bound = flat(actual), flat(budget.truth), flat(budget.allowed)
    off = (values - truth).abs() > bound
    if not bool(values.isfinite().all()):
        return None
    for candidate in _candidates(rounding):
        if "cell state" in candidate.name and not asked.config.has_cell:
            continue
        model = budget_of(asked.problem(), candidate.model, seed)
        allowed = flat(model.allowed)
        share = (values - truth).abs() / allowed
        if float(share.max()) <= 1 and _explains(candidate, asked, values, truth, off, share):
            return candidate.name
    return None
