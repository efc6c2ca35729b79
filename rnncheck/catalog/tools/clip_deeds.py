"""What the properties of the family clip do with a clip function besides calling it, as scripts show it."""

import contextlib
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rnncheck.running.clip_trial import Clip, Gradients, clipped, with_gradients


def left_by_a_refusal(clip: Clip, gradients: Gradients) -> Sequence[Tensor | None]:
    """Return the gradients after a call that is refused."""
    parameters = with_gradients(gradients)
    with contextlib.suppress(Exception):
        clip(parameters)
    return [p.grad for p in parameters]


def told_of_a_used_up_generator(clip: Clip, gradients: Gradients) -> str:
    """Return how a generator of parameters is taken that has none left."""
    parameters = (p for p in with_gradients(gradients))
    list(parameters)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            clip(parameters)
        except Exception:
            return "warned of, or refused"
    return "warned of, or refused" if told else "accepted in silence"


def norm_unless_refused(clip: Clip, gradients: Gradients, otherwise: float) -> float:
    """Return the norm that a call returns, or ``otherwise`` where it raises."""
    try:
        return float(clip(with_gradients(gradients)))
    except Exception:
        return otherwise


def clipped_in_place(clip: Clip, gradients: Gradients, graph: bool = False) -> dict[str, Any]:
    """Return what else than numbers a call changes; the gradients require gradients themselves where ``graph`` says so."""
    parameters = with_gradients(gradients)
    for gradient in gradients:
        if gradient is not None:
            gradient.requires_grad_(graph)
    clip(parameters)
    same = all(p.grad is gradient for p, gradient in zip(parameters, gradients, strict=True))
    recorded = any(gradient is not None and gradient.grad_fn is not None for gradient in gradients)
    return {
        "each parameter's .grad": "the same object" if same else "another object",
        "history": "operations" if recorded else "none",
        "requires_grad": [p.requires_grad for p in parameters],
        "parameters": [p.detach() for p in parameters],
        "gradients": [p.grad for p in parameters],
    }


def among_many(gradients: Gradients, number: int, least: int) -> list[Tensor]:
    """Return these gradients with zeros in front, up to ``least`` elements each, behind ``number`` gradients of zeros."""
    present = [g for g in gradients if g is not None]
    large = [torch.cat([g.new_zeros(max(0, least - g.numel())), g.reshape(-1)]) for g in present]
    return [*([torch.zeros_like(g) for g in present] * number)[:number], *large]


def clipped_among_many(clip: Clip, gradients: Gradients, number: int, least: int) -> dict[str, Any]:
    """Return the result of a call on these gradients among many, with many elements each."""
    return clipped(clip, among_many(gradients, number, least))


def clipped_in_lists(clip: Clip, lists: Sequence[Gradients]) -> dict[str, Any]:
    """Return the gradients after a call on a list of parameters for each rank, and what it returned."""
    parameters = [with_gradients(gradients) for gradients in lists]
    returned = clip(parameters)
    return {"gradients": [p.grad for one in parameters for p in one], "returned": returned}
