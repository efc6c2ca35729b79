"""Subjects that round more coarsely than they say: which rounding would explain them.

A roundoff that is deterministic is imitated (a cell state kept in bfloat16, operands cut to TF32): the imitation must explain
most of the error. One that is not (half precision sums, whose order is unknown) can only be seen to be of the right size:
within the model, not far below its noise, and in most elements. What is said then is weaker.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rnncheck.diagnosis.alterations import Change, on_states
from rnncheck.diagnosis.cell_variants import Function, kept_as, tf32, tf32_cut
from rnncheck.diagnosis.evidence import Answer, flat
from rnncheck.oracle.budget import budget_of
from rnncheck.oracle.rounding import ROUNDINGS, Rounding, unit_roundoff

EXPLAINED = 4.0
"""An imitation must leave at most a quarter of the error, in the root mean square of the elements that are off."""
LOUD, BROAD = 0.03, 200.0
"""Without imitation, the largest share of the model's budget must reach LOUD, and the median be 1 / BROAD of it."""
SYSTEMATIC = 0.9
"""Squared correlation of errors with values beyond which they are no roundoffs."""
ALIKE = 0.25
"""That of errors before and after the input moved a little. Roundoffs have 1 / n in the mean, n being how many they are."""


@dataclass(frozen=True)
class Coarser:
    """name completes "agrees with …"; model allows it; change imitates it, None if nothing can."""

    name: str
    model: Rounding
    change: Change | None = None


def _kept(**places: Function) -> Change:
    """The values at these places are rounded."""
    return lambda asked: asked.seeing(places)


def _operands(rounded: Function) -> Change:
    """What is multiplied is rounded, weights too."""

    def weights(name: str, value: Tensor) -> Tensor:
        return rounded(value) if name.startswith("weight") else value

    return lambda asked: asked.seeing({"operand": rounded}).parameter(weights)


def _finals(rounded: Function) -> Change:
    """The final states are rounded when all is done."""
    return lambda asked: asked.reading(lambda run: on_states(run, rounded))


def _results(rounded: Function) -> Change:
    """Output and final states are."""
    return lambda asked: asked.reading(lambda run: run.map(rounded))


def imitable(rounding: Rounding, keeps_c: bool) -> Iterator[Coarser]:
    """Roundoffs at a known place, coarser than the model's."""
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        unit, name, keep = unit_roundoff(dtype), str(dtype).removeprefix("torch."), kept_as(dtype)
        if unit <= rounding.store:
            continue
        whole = ROUNDINGS["float32" if dtype == torch.float32 else f"autocast({name})"]
        yield Coarser(f"if its final states are rounded to {name}", whole, _finals(keep))
        yield Coarser(f"if its results are rounded to {name}", whole, _results(keep))
        if keeps_c:
            yield Coarser(f"if the cell state is kept in {name}", rounding.but(cell=unit), _kept(c=keep))
        yield Coarser(f"if the state h is kept in {name}", whole, _kept(h=keep))
        if keeps_c:
            yield Coarser(f"if both states are kept in {name}", whole, _kept(c=keep, h=keep))
        if dtype != torch.float16:  # TF32 has its roundoff
            yield Coarser(f"if the operands of products are rounded to {name}", rounding.but(operand=unit), _operands(keep))
    if rounding.store <= unit_roundoff(torch.float32) and not rounding.operand:
        name = "if the operands of products are rounded to TF32 (or float16)"
        yield Coarser(name, ROUNDINGS["tf32"], _operands(tf32))
        yield Coarser("if the operands of products are cut to TF32", ROUNDINGS["tf32"], _operands(tf32_cut))


def sized_models(rounding: Rounding) -> Iterator[Coarser]:
    """Roundoffs that only have a size, from fine to coarse."""
    if rounding.store < unit_roundoff(torch.float32):
        yield Coarser("within the rounding of float32", ROUNDINGS["float32"])
    for dtype in (torch.float16, torch.bfloat16):
        unit, name = unit_roundoff(dtype), str(dtype).removeprefix("torch.")
        if unit > rounding.accumulate and unit >= rounding.store:
            yield Coarser(f"within the rounding of products accumulated in {name}", rounding.but(accumulate=unit))
        if unit > rounding.store:
            yield Coarser(f"within the rounding of {name}", ROUNDINGS[f"autocast({name})"])


def _share(answer: Answer, model: Rounding) -> Tensor:
    """Of what this model allows, the share that is used."""
    return answer.error.abs() / flat(budget_of(answer.asked.problem(), model, answer.seed).allowed)


def _left(answer: Answer, candidate: Coarser) -> float:
    """The share of the squared error that an imitation leaves; infinite where the model does not allow the answer."""
    assert candidate.change is not None
    if not float(_share(answer, candidate.model).max()) <= 1:
        return math.inf
    imitated = flat(candidate.change(answer.asked).solve())
    off = answer.off | ((imitated - answer.truth).abs() > answer.allowed)  # what it would get wrong, and the subject does not
    return float((answer.values - imitated)[off].square().mean() / answer.error[off].square().mean())


def imitated(answer: Answer, more: Sequence[Answer] = ()) -> str | None:
    """The rounding at a known place that leaves the least of the error, as the end of a sentence; None if none explains it,
    and the errors of all further answers."""
    explained = []
    for candidate in imitable(answer.rounding, "c" in answer.asked.config.state_sizes):
        left = _left(answer, candidate)
        if left * EXPLAINED**2 <= 1 and all(_left(other, candidate) * EXPLAINED**2 <= 1 for other in more):
            explained.append((left, candidate.name))
    return min(explained)[1] if explained else None


def _correlation(a: Tensor, b: Tensor) -> float:
    """Squared; 0 where one of the two is 0."""
    return float(a.dot(b) ** 2 / (a.square().sum() * b.square().sum()).clamp(min=torch.finfo(a.dtype).tiny))


def _noisy(answer: Answer, moved: Answer | None) -> bool:
    """Whether the errors behave as roundoffs do: not in proportion to the values, and others if the input moves a little."""
    off = answer.off
    if _correlation(answer.error[off], answer.truth[off]) > SYSTEMATIC:
        return False
    return moved is None or _correlation(answer.error[off], moved.error[off]) < ALIKE


def _within(answer: Answer, model: Rounding) -> bool:
    """Whether the answer is within the model, and not far within it."""
    shares = _share(answer, model)
    largest, middle = float(shares.max()), float(shares[answer.truth != 0].median())
    return LOUD <= largest <= 1 and middle * BROAD >= largest


def sized(answer: Answer, more: Sequence[Answer] = (), moved: Answer | None = None) -> str | None:
    """The finest model that all answers are within, and not far within; None if there is none, or if the errors are no roundoffs.

    moved: the subject's answer where the input is moved by a few hundredths; a wrong equation is as wrong there.
    """
    if not _noisy(answer, moved):
        return None
    for candidate in sized_models(answer.rounding):
        if all(_within(one, candidate.model) for one in (answer, *more)):
            return candidate.name
    return None
