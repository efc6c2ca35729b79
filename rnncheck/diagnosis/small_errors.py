"""Small systematic errors: one number that explains all of the difference, found by least squares.

For each family of changes with one number (a gate multiplied by 1 + e, e added to a pre-activation, …) the results' derivative
with respect to the number is measured on the truth, and the number fitted to the subject's error, each element weighed by
what it is allowed. A family is named if what remains is within the budget.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rnncheck.core.config import Config
from rnncheck.diagnosis.alterations import Change, rows
from rnncheck.diagnosis.altered_case import Asked
from rnncheck.diagnosis.cell_variants import Function, gate
from rnncheck.diagnosis.evidence import Answer, flat

STEP = 1e-6
"""Of the difference quotient."""
WITNESSES = 3
"""How many different numbers must be off by more than allowed for one to explain them: fewer could be fitted by any."""


UNSURE = 0.3
"""How far apart, relatively, the numbers that are fitted to two cases may be: errors near the budget leave much room."""


@dataclass(frozen=True)
class Family:
    """name(number) completes "agrees with … if …"; change(number) makes the case; gates: those it speaks of."""

    template: str
    factor: bool
    makes: "Maker"
    gate: str = ""

    def name(self, number: float) -> str:
        """With the number, as a factor or as a summand."""
        return self.template.format(f"{1 + number:.9g}" if self.factor else f"{number:.3g}")


class Maker:
    """number -> the change to a case."""

    def __init__(self, place: str, index: int | None, factor: bool) -> None:
        self.place, self.index, self.factor = place, index, factor

    def __call__(self, number: float) -> Change:
        def moved(value: Tensor) -> Tensor:
            return value * (1 + number) if self.factor else value + number

        change: Function = moved if self.index is None else gate(self.index, moved)
        return lambda asked: asked.seeing({self.place: change})


class Scaled(Maker):
    """The parameters with this prefix multiplied."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def __call__(self, number: float) -> Change:
        return lambda asked: rows(self.prefix, asked.config.gates, lambda value: value * (1 + number))(asked)


def _places(config: Config) -> Iterator[tuple[str, str, int | None]]:
    """(gate, place, index) of every gate."""
    order = config.kind.order
    if len(order) > 1:
        for index, letter in enumerate(order[:-1]):
            yield letter, "s", index
    yield order[-1], "g", None


def families(config: Config) -> Iterator[Family]:
    """All that apply to this mode."""
    for letter, place, index in _places(config):
        what = f"gate {letter}" if config.kind.sigmoids else letter
        yield Family(f"{what} is multiplied by {{}}", True, Maker(place, index, True), letter)
        yield Family(f"{{}} is added to {what}", False, Maker(place, index, False), letter)
    for index, letter in enumerate(config.kind.order):
        place, at = ("an", None) if config.kind.after_gates and letter == config.kind.candidate else ("a", index)
        what = f"the pre-activation of {letter}"
        yield Family(f"{what} is multiplied by {{}}", True, Maker(place, at, True), letter)
        yield Family(f"{{}} is added to {what}", False, Maker(place, at, False), letter)
    for state in reversed(config.kind.letters):
        yield Family(f"the new {state} is multiplied by {{}}", True, Maker(state, None, True))
        yield Family(f"{{}} is added to the new {state}", False, Maker(state, None, False))
    for kind in ("weight_ih", "weight_hh", *(("bias_ih", "bias_hh") if config.bias else ())):
        yield Family(f"{kind} is multiplied by {{}}", True, Scaled(kind))


def fit(asked: Asked, family: Family, actual: Tensor, truth: Tensor, allowed: Tensor) -> float | None:
    """The number under which what remains is within allowed; None if there is none."""
    weight, number, solved = 1 / allowed, 0.0, truth
    for _ in range(4):
        moved = flat(family.makes(number + STEP)(asked).solve())
        slope = (moved - solved) / STEP * weight
        squares = float(slope @ slope)
        if not squares > 0:
            return None
        number += float(slope @ ((actual - solved) * weight)) / squares
        solved = flat(family.makes(number)(asked).solve())
        if bool(((actual - solved).abs() <= allowed).all()):
            return number
    return None


def _decided(answer: Answer) -> tuple[Tensor, Tensor, Tensor]:
    """The numbers, the truth and what is allowed, of no weight where nothing can be said."""
    decided = answer.allowed.isfinite() & answer.values.isfinite() & answer.truth.isfinite()
    zero = torch.zeros_like(answer.truth)
    bound = answer.allowed.masked_fill(~decided, torch.inf)
    return torch.where(decided, answer.values, zero), torch.where(decided, answer.truth, zero), bound


def fitting(answer: Answer, more: Sequence[Answer] = ()) -> list[tuple[Family, float]]:
    """The families that explain the difference, with their number, and those of more answers with the same number.

    None where the results say too little.
    """
    actual, truth, bound = _decided(answer)
    if bool((~answer.values.isfinite() & answer.allowed.isfinite()).any()):
        return []
    if actual[(actual - truth).abs() > bound].unique().numel() < WITNESSES:
        return []
    found = ((family, fit(answer.asked, family, actual, truth, bound)) for family in families(answer.asked.config))
    return [(f, number) for f, number in found if number is not None and all(_explains(f, number, other) for other in more)]


def _explains(family: Family, number: float, answer: Answer) -> bool:
    """Whether the number that was fitted to another case explains this one: to within what the fit may be off."""
    actual, truth, bound = _decided(answer)
    again = fit(answer.asked, family, actual, truth, bound)
    return again is not None and abs(again - number) <= UNSURE * abs(number)
