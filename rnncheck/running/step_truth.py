"""What a training step has to apply, in float64, and how far from it rounding may lead."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from rnncheck.core.values import generator
from rnncheck.oracle.margin import margin
from rnncheck.running.clip_truth import ClipTruth, clip_truth, unit_roundoff
from rnncheck.running.random_rounding import RandomRounding
from rnncheck.running.step_models import StepModel

Named = Mapping[str, Tensor]
COPIES = 8
ROUNDOFFS = 4.0
"""How far each result is moved, in units of roundoff, uniformly; as in rnncheck.running.measured_noise."""
SPREADS = margin(COPIES)
GRID = 1024.0
MOST_SPREADS = 512
_SPREADS: dict[Any, Named] = {}
"""What was measured lately, by all that it depends on."""


@dataclass(frozen=True)
class StepTruth:
    """The gradient of the whole batch, min(max_norm / norm, 1) times which is applied.

    gradient: by the names of the parameters that require it, float64
    noise:    how far each number of it may be off by rounding, however the batch is cut into micro-batches
    parts:    the gradient of each micro-batch's own loss, and ``shares``, with which they add up to the whole
    """

    gradient: Named
    noise: Named
    max_norm: float
    dtype: torch.dtype
    parts: tuple[Named, ...]
    shares: tuple[float, ...]

    @cached_property
    def clip(self) -> ClipTruth:
        """Norm and factor."""
        return clip_truth(list(self.gradient.values()), self.max_norm, 2.0, working=self.dtype)

    @property
    def norm(self) -> float:
        """Of the whole batch's gradient, as one vector."""
        return self.clip.norm

    @cached_property
    def relative(self) -> float:
        """How far the norm, and the factor with it, may be off, relative to it."""
        off = length(self.noise)
        return self.clip.relative + (off / self.norm if self.norm > 0 else 0.0)

    @property
    def untouched(self) -> bool:
        """Whether nothing is to be clipped, whatever rounding does."""
        return self.norm * (1 + self.relative) <= self.max_norm

    def applied(self, name: str) -> Tensor:
        """The clipped gradient."""
        factor = 1.0 if self.untouched else (self.clip.low + self.clip.high) / 2
        return self.gradient[name] * factor

    def allowed(self, name: str) -> Tensor:
        """How far each number of the clipped gradient may be off."""
        size, stored = self.gradient[name].abs(), unit_roundoff(self.dtype)
        if self.untouched:
            return self.noise[name] + stored * size
        off = (self.clip.high - self.clip.low) / 2 + self.clip.high * (self.relative + stored)
        return self.clip.high * self.noise[name] + size * off

    @property
    def bound(self) -> float:
        """What the norm may be after clipping, at most, rounding aside."""
        return min(self.max_norm, self.norm)


def length(tensors: Named) -> float:
    """The Euclidean norm of all of them as one vector."""
    return float(torch.cat([torch.zeros(1, dtype=torch.float64), *(t.double().reshape(-1) for t in tensors.values())]).norm())


def step_truth(model: StepModel, batches: Sequence[Tensor], max_norm: float, seed: int) -> StepTruth:
    """The truth for the model as it is, of which a float64 copy is differentiated."""
    dtype = next(model.parameters()).dtype
    exact = _copy(model, torch.float64)
    rows = torch.cat([_wide(batch) for batch in batches])
    sizes = [len(batch) for batch in batches]
    mean = model.reduction == "mean"
    gradient, noise = gradients(exact, rows), _spread(model, rows, dtype, seed)
    each = [gradients(exact, row[None]) for row in rows]
    roundoffs = (len(rows) + len(batches) + 4) * unit_roundoff(dtype) * (1 if mean else len(rows))
    sums = {name: sum((one[name].abs() for one in each), torch.zeros_like(g)) / len(rows) for name, g in gradient.items()}
    total = {name: noise[name] + roundoffs * sums[name] for name in gradient}  # a batch may be cut so that its parts cancel
    parts = tuple(gradients(exact, part) for part in rows.split(sizes))
    shares = tuple(size / len(rows) for size in sizes) if mean else (1.0,) * len(sizes)
    return StepTruth(gradient, total, max_norm, dtype, parts, shares)


def gradients(model: StepModel, rows: Tensor) -> dict[str, Tensor]:
    """Of the loss of these rows, by the names of the parameters that require it, float64 on the CPU."""
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    with torch.enable_grad():
        found = torch.autograd.grad(model(rows), list(named.values()))
    return {name: g.detach().double().cpu() for name, g in zip(named, found, strict=True)}


def _spread(model: StepModel, rows: Tensor, dtype: torch.dtype, seed: int) -> Named:
    """What rounding each result in this dtype does to the gradient: the spread of copies that are rounded at random.

    Seen in float64, where the copies' own rounding does not show; in float64 the truth is rounded as the subject is. Looked at
    where the parameters have ten bits behind the point, which changes it little, so that runs that differ by rounding share it.
    """
    exact = _copy(model, torch.float64)
    with torch.no_grad():
        for p in exact.parameters():
            p.copy_((p * GRID).round() / GRID)
    numbers = b"".join(t.detach().numpy().tobytes() for t in (*exact.parameters(), rows))
    key = (type(model), model.reduction, tuple(p.requires_grad for p in model.parameters()), dtype, seed, numbers)
    if key not in _SPREADS:
        if len(_SPREADS) >= MOST_SPREADS:
            _SPREADS.clear()
        _SPREADS[key] = _measured(exact, rows, dtype, seed)
    return _SPREADS[key]


def _measured(exact: StepModel, rows: Tensor, dtype: torch.dtype, seed: int) -> Named:
    roundoffs = ROUNDOFFS * torch.finfo(dtype).eps / torch.finfo(torch.float64).eps
    own = gradients(exact, rows)
    squares = {name: torch.zeros((), dtype=torch.float64) for name in own}
    for copy in range(COPIES):
        with RandomRounding(generator(seed, f"rounding {copy}"), roundoffs):
            moved = gradients(exact, rows)
        squares = {name: squares[name] + (moved[name] - own[name]).square().mean() for name in own}
    twice = 2.0 if dtype == torch.float64 else 1.0
    return {name: (twice * SPREADS * (square / COPIES).sqrt()).expand(own[name].shape) for name, square in squares.items()}


def _copy(model: StepModel, dtype: torch.dtype) -> StepModel:
    """A model of the same numbers in another dtype, on the CPU."""
    copy = type(model)(model.reduction).to(dtype)
    copy.load_state_dict(model.state_dict())
    for mine, own in zip(copy.parameters(), model.parameters(), strict=True):
        mine.requires_grad_(own.requires_grad)
    return copy


def _wide(batch: Tensor) -> Tensor:
    return batch.cpu().double() if batch.is_floating_point() else batch.cpu()
