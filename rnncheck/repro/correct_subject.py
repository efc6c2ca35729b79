"""The results of a right layer where the subject fails: a script fails because of the mistake, and passes once it is fixed."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from rnncheck.adapters.clip_functions import clip_function
from rnncheck.adapters.step_functions import step_function
from rnncheck.adapters.torch_layers import torch_like
from rnncheck.adapters.with_lengths import taking_lengths
from rnncheck.clip import clip_grad_norm_
from rnncheck.core.case import Case
from rnncheck.core.step_case import StepCase
from rnncheck.core.subject import Subject
from rnncheck.nn.layers import OURS

Values = dict[str, Tensor]
"""Every tensor that came out of a property's calls, by the expression that a script has for it."""


def right_subject(subject: Subject, case: Any) -> Subject:
    """rnncheck's own layer or function, which holds all properties, with the subject's claims."""
    if isinstance(case, StepCase):
        return replace(step_function(right_step, "right"), claims=subject.claims)
    if not isinstance(case, Case):
        return replace(clip_function(clip_grad_norm_, "right"), claims=subject.claims)
    layer = torch_like(OURS[case.config.kind.name], (case.config.mode,), "right")
    layer = taking_lengths(layer, by_packing) if subject.offers("lengths") else layer
    return replace(layer, claims=subject.claims, fixed=subject.fixed)


def right_step(model: Any, batches: list[Tensor], optimizer: torch.optim.Optimizer, max_norm: float, scaler: Any = None) -> Tensor:
    """A step as it should be, for losses that are means and for those that are sums."""
    optimizer.zero_grad()
    rows = sum(len(batch) for batch in batches)
    for batch in batches:
        loss = model(batch) * (len(batch) / rows if model.reduction == "mean" else 1.0)
        (loss if scaler is None else scaler.scale(loss)).backward()
    if scaler is not None:
        scaler.unscale_(optimizer)
    norm = clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], max_norm)
    if scaler is None:
        optimizer.step()
    else:
        scaler.step(optimizer)
        scaler.update()
    return norm


def by_packing(module: nn.Module, x: Tensor, hx: Any, lengths: Tensor) -> Any:
    """Padded input and lengths through a module that takes packed input; a sequence of length 0 keeps its state."""
    turned = bool(module.batch_first)
    packed = pack_padded_sequence(x, lengths.clamp(min=1), turned, enforce_sorted=False)
    output, state = module(packed) if hx is None else module(packed, hx)
    padded, _ = pad_packed_sequence(output, turned, total_length=x.shape[turned])
    some = lengths > 0
    parts, given = (state, hx or (0, 0)) if isinstance(state, tuple) else ((state,), (0 if hx is None else hx,))
    kept = tuple(torch.where(some[:, None], new, old) for new, old in zip(parts, given, strict=True))
    output = torch.where(some[:, None, None] if turned else some[:, None], padded, 0)
    return output, kept if isinstance(state, tuple) else kept[0]


def near(actual: Tensor, expected: Tensor | float, allowed: float) -> bool:
    """Within what is allowed; NaN is near NaN, and an infinity itself."""
    one, other = float(actual), float(expected)
    return one == other or (one != one and other != other) or abs(one - other) <= allowed


def alike(seen: Tensor, was: Tensor) -> bool:
    """As ``same`` in a script."""
    if seen.shape != was.shape or seen.dtype != was.dtype or not was.is_floating_point():
        return seen.shape == was.shape and seen.dtype == was.dtype and bool((seen == was).all())
    return torch.allclose(seen, was, rtol=16 * torch.finfo(was.dtype).eps, atol=1e-30, equal_nan=True)
