"""Why a subject does not agree: the hypothesis under which it would, in one sentence."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import torch
from torch import Tensor

from rnncheck.config import Config
from rnncheck.oracle.asked import Asked, asked_of
from rnncheck.oracle.budgets import Budget, budget_of
from rnncheck.oracle.coarser import Rounded
from rnncheck.oracle.fits import fitting, flat
from rnncheck.oracle.hypotheses import Hypothesis, hypotheses
from rnncheck.oracle.problem import OracleError
from rnncheck.oracle.rounding import Rounding
from rnncheck.run import Run

_NAMES = {"RNN_TANH": "torch.nn.RNN", "RNN_RELU": "torch.nn.RNN", "GRU": "torch.nn.GRU", "LSTM": "torch.nn.LSTM"}
PAIR_WORK = 200_000
"""Pairs are tried for cases up to this many steps times parameters."""


def _reference(config: Config) -> str:
    return _NAMES[config.mode] if config.reset_after else "the GRU that resets before the product"


class _Search:
    """One subject's result, held against hypotheses."""

    def __init__(self, asked: Asked, actual: Run, budget: Budget, rounding: Rounding, seed: int) -> None:
        self.asked, self.actual, self.budget = asked, flat(actual), budget
        self.rounding, self.seed = rounding, seed
        self.allowed = flat(budget.allowed)

    def fits(self, *tried: Hypothesis) -> bool:
        """Whether the subject agrees with a layer of these changes."""
        try:
            asked = self.asked
            for hypothesis in tried:
                asked = hypothesis.change(asked)
            expected = flat(asked.solve())
        except (OracleError, RuntimeError):  # the change has no meaning for these shapes
            return False
        if expected.shape != self.actual.shape:
            return False
        error = torch.where(self.allowed.isinf(), 0.0, (self.actual - expected).abs())
        if bool((error <= self.allowed).all()):
            return self._moves(expected)
        # a change of the data may change what is allowed: worth computing only where half of the errors are small
        if bool((error <= 1e3 * self.allowed).double().mean() > 0.5):
            bound = torch.maximum(self.allowed, flat(asked.allowed(self.rounding, self.seed)))
            return bool((error <= bound).all()) and self._moves(expected)
        return False

    def _moves(self, expected: Tensor) -> bool:
        """Whether the hypothesis says anything at all about this case."""
        decided = self.allowed.isfinite()
        return bool(((expected - flat(self.budget.truth)).abs() > self.allowed)[decided].any())

    def pairs(self, candidates: Sequence[Hypothesis]) -> Iterator[tuple[Hypothesis, Hypothesis]]:
        """Of common hypotheses; both orders are the same but for a few, so one is tried."""
        work = self.asked.x.shape[0] * sum(value.numel() for value in self.asked.parameters.values())
        if work <= PAIR_WORK:
            yield from combinations([candidate for candidate in candidates if candidate.common], 2)


@torch.inference_mode(False)
@torch.no_grad()
def diagnose(
    config: Config,
    parameters: Mapping[str, Tensor],
    input: Tensor,
    h_0: Tensor | None,
    c_0: Tensor | None,
    lengths: Sequence[int] | Tensor | None,
    actual: Run,
    *,
    rounding: Rounding,
    seed: int,
) -> str | None:
    """One sentence that says under which change the subject would agree; None if it agrees, or if no change fits.

    The arguments are those of truth() and budget(), and actual the subject's result. Tried are, in this order: every
    hypothesis of hypotheses.py, coarser rounding at a known place (coarser.py), small systematic errors (fits.py), coarser
    rounding of which only the size is known, pairs of hypotheses.
    """
    asked = asked_of(config, parameters, input, h_0, c_0, lengths)
    budget = budget_of(asked.problem(), rounding, seed)
    if budget.used(actual) <= 1:
        return None
    search, reference = _Search(asked, actual, budget, rounding, seed), _reference(config)
    candidates = hypotheses(config, lengths is not None, input.shape[0] == input.shape[1])
    for candidate in candidates:
        if search.fits(candidate):
            return f"agrees with {reference} if {candidate.name}"
    rounded = Rounded(asked, actual, budget, rounding, seed) if bool(flat(actual).isfinite().all()) else None
    imitated = rounded and rounded.imitated()
    if imitated:
        return f"agrees with {reference} {imitated}"
    fitted = fitting(asked, actual, budget.truth, budget.allowed)
    if fitted:
        return f"agrees with {reference} if " + ", or if ".join(family.name(number) for family, number in fitted[:2])
    sized = rounded and rounded.sized()
    if sized:
        return f"agrees with {reference} {sized}"
    for first, second in search.pairs(candidates):
        if search.fits(first, second):
            return f"agrees with {reference} if {first.name} and {second.name}"
    return None
