"""Why a subject does not agree: the hypothesis under which it would, in one sentence."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import torch
from torch import Tensor

from rnncheck.diagnosis.altered_case import Asked
from rnncheck.diagnosis.coarse_rounding import imitated, sized
from rnncheck.diagnosis.evidence import Answer, flat
from rnncheck.diagnosis.hypotheses import Hypothesis, hypotheses
from rnncheck.diagnosis.small_errors import fitting
from rnncheck.oracle.truth import OracleError

PAIR_WORK = 200_000
"""Pairs are tried for cases up to this many steps times parameters."""


def _changed(asked: Asked, tried: Sequence[Hypothesis]) -> Asked:
    for hypothesis in tried:
        asked = hypothesis.change(asked)
    return asked


def _moves(answer: Answer, expected: Tensor) -> bool:
    """Whether the hypothesis says anything at all about this case."""
    decided = answer.allowed.isfinite()
    return bool(((expected - answer.truth).abs() > answer.allowed)[decided].any())


def _fits(answer: Answer, tried: Sequence[Hypothesis]) -> bool:
    """Whether the subject agrees with a layer of these changes."""
    try:
        asked = _changed(answer.asked, tried)
        expected = flat(asked.solve())
    except (OracleError, RuntimeError):  # the change has no meaning for these shapes
        return False
    if expected.shape != answer.values.shape:
        return False
    error = torch.where(answer.allowed.isinf(), 0.0, (answer.values - expected).abs())
    if bool((error <= answer.allowed).all()):
        return _moves(answer, expected)
    # a change of the data may change what is allowed: worth computing only where half of the errors are small
    if bool((error <= 1e3 * answer.allowed).double().mean() > 0.5):
        bound = torch.maximum(answer.allowed, flat(asked.allowed(answer.rounding, answer.seed)))
        return bool((error <= bound).all()) and _moves(answer, expected)
    return False


def _pairs(asked: Asked, candidates: Sequence[Hypothesis]) -> Iterator[tuple[Hypothesis, Hypothesis]]:
    """Yield pairs of common hypotheses; both orders give the same except for a few, so one is tried."""
    work = asked.x.shape[0] * sum(value.numel() for value in asked.parameters.values())
    if work <= PAIR_WORK:
        yield from combinations([candidate for candidate in candidates if candidate.common], 2)


@torch.inference_mode(False)
@torch.no_grad()
def diagnose(answer: Answer, *more: Answer, moved: Answer | None = None) -> str | None:
    """One sentence that says under which change the subject would agree; None if it agrees, or if no change fits.

    more: its answers to other cases of the same kind, which the change must explain too: what fits one case only, by chance or
    because the error shows in part, is not said. moved: its answer to the same case, the input moved by a few hundredths.

    Tried are, in this order: every hypothesis of hypotheses.py, coarser rounding at a known place (coarser.py), small
    systematic errors (fits.py), coarser rounding of which only the size is known, pairs of hypotheses.
    """
    if answer.agrees:
        return None
    asked = answer.asked
    agrees = f"agrees with {asked.config.kind.title}"
    candidates = hypotheses(asked.config, asked.lengths is not None, asked.x.shape[0] == asked.x.shape[1])
    for candidate in candidates:
        if all(_fits(one, [candidate]) for one in (answer, *more)):
            return f"{agrees} if {candidate.name}"
    finite = all(bool(one.values.isfinite().all()) for one in (answer, *more))
    where = imitated(answer, more) if finite else None
    if where:
        return f"{agrees} {where}"
    fitted = fitting(answer, more)
    if fitted:
        return f"{agrees} if " + ", or if ".join(family.name(number) for family, number in fitted[:2])
    size = sized(answer, more, moved) if finite else None
    if size:
        return f"{agrees} {size}"
    for pair in _pairs(asked, candidates):
        if all(_fits(one, pair) for one in (answer, *more)):
            return f"{agrees} if {pair[0].name} and {pair[1].name}"
    return None
