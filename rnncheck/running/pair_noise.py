"""How far a result may be from the truth: what rounding does to it, measured in float64 by rounding at random.

Data and every intermediate result are moved by a few roundoffs of the case's dtype (rnncheck.running.measured_noise says why).
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from rnncheck.core.values import generator
from rnncheck.running.measured_noise import COPIES, FIRST_ORDER, ROUNDOFFS, SPREADS
from rnncheck.running.pair_results import Tensors, poison
from rnncheck.running.random_rounding import RandomRounding

STORED = 4
"""How many ulps a correct result may lose where it is rounded for the last time, converted or stored."""


def rounding(dtype: torch.dtype, seed: int, copy: int) -> RandomRounding:
    """Float64 results are rounded at random as if they were of this dtype; those of a lower precision stay as they are."""
    roundoffs = ROUNDOFFS * torch.finfo(dtype).eps / torch.finfo(torch.float64).eps
    return RandomRounding(generator(seed, f"rounding {copy}"), roundoffs, torch.float64)


def moved(values: Tensors, dtype: torch.dtype, seed: int, copy: int) -> dict[str, Tensor]:
    """Float64 numbers, each moved by a few roundoffs of this dtype; other numbers as they are."""
    step = ROUNDOFFS * torch.finfo(dtype).eps / 2
    return {name: _moved(value, step, generator(seed, f"{name} moved {copy}")) for name, value in values.items()}


def _moved(value: Tensor, step: float, g: torch.Generator) -> Tensor:
    if not value.is_floating_point():
        return value
    signs = torch.rand(value.shape, generator=g, dtype=torch.float64) * 2 - 1
    return (value.double() * (1 + step * signs.to(value.device))).to(value.dtype)


def allowed(
    own: Sequence[Tensors], copies: Iterable[Sequence[Tensors]], dtype: torch.dtype, pooled: bool
) -> list[dict[str, Tensor]]:
    """How far each number of each run may be off; infinite where rounding may change it by anything.

    The copies are overwritten: they are close to the truth, which nobody is to find in memory that is free again.

    pooled: whether all numbers of a tensor are taken together, as of gradients, or those of its last axis
    """
    squares = [{path: torch.zeros_like(value) for path, value in run.items()} for run in own]
    for copy in copies:
        for total, run, other in zip(squares, own, copy, strict=True):
            for path, value in run.items():
                total[path] += (other[path] - value).square()
            poison(other)
    twice = 2.0 if dtype == torch.float64 else 1.0  # the truth is rounded as the candidate is
    return [{path: twice * _allowed(total[path], value, dtype, pooled) for path, value in run.items()}
            for total, run in zip(squares, own, strict=True)]  # fmt: skip


def _allowed(square: Tensor, value: Tensor, dtype: torch.dtype, pooled: bool) -> Tensor:
    if not value.numel():
        return torch.zeros_like(value)
    mean = square / COPIES
    together = mean.mean() if pooled or not mean.dim() else mean.mean(-1, keepdim=True)
    spread = SPREADS * torch.maximum(mean, together).sqrt()
    size = value.abs().max() if pooled or not value.dim() else value.abs()
    limits = torch.finfo(dtype)
    found = spread + STORED * (limits.eps * size + limits.smallest_normal * limits.eps)
    largest = value.abs().max() if pooled or not value.dim() else value.abs().amax(-1, keepdim=True)
    decided = found.isfinite() & (spread <= FIRST_ORDER * largest.clamp(min=limits.tiny)) & (value.abs() + found <= limits.max)
    return torch.where(decided, found, torch.inf)
