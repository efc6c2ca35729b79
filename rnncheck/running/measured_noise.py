"""The allowed error of a subject whose parameters cannot be set under torch's names: measured on the subject itself.

A backward-stable implementation returns the exact result of slightly changed data (Higham, Accuracy and Stability of
Numerical Algorithms, 1.5). So input, state and parameters are changed by a few units of roundoff, a few times; and since
not every correct algorithm is backward stable (a scan in logarithms is not), so is every intermediate result that torch
computes. The spread of the results is what rounding may do.
"""

from collections.abc import Mapping
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from rnncheck.core.case import Case
from rnncheck.core.pairs import as_type_of, in_pairs, widest
from rnncheck.core.run import Run
from rnncheck.core.subject import Layer
from rnncheck.oracle import Budget, GradientBudget, Rounding
from rnncheck.oracle.margin import margin
from rnncheck.running.random_rounding import RandomRounding

COPIES = 8
ROUNDOFFS = 4.0
"""How far the data is moved, in units of roundoff, uniformly: a standard deviation of 2.3, of which one roundoff is 0.43."""
SPREADS = margin(COPIES)
"""How many root mean square spreads are allowed: as in the oracle, where a real error is 0.42 of an injected one."""

FIRST_ORDER = 0.05
"""How large, relatively, errors may become before what was measured at one size says nothing of another."""


class Repeatable(Protocol):
    """What noise is measured on: a case that can be run again with other data. A Trial is one."""

    @property
    def case(self) -> Case: ...
    @property
    def x(self) -> Tensor: ...
    @property
    def state(self) -> tuple[Tensor, ...] | None: ...
    @property
    def run(self) -> Run: ...
    @property
    def rounding(self) -> Rounding: ...
    def generator(self, name: str) -> torch.Generator: ...
    def within_bounds(self, state: Tensor) -> Tensor: ...
    def build(self) -> Layer: ...
    def but(self, **changes: Any) -> Self: ...
    def run_on(self, layer: Layer) -> Run: ...
    def gradients(self, cotangents: Run, layer: Layer) -> Mapping[str, Tensor | None]: ...


def least_budget(trial: Repeatable) -> Budget:
    """Return the same as ``noise_budget``, with what it allows at least: no noise has to be measured for that."""
    own = trial.run.map(Tensor.double)
    return Budget(own, own.map(lambda value: _granularity(trial) * value.abs().clamp(min=1.0)))


def least_gradient_budget(trial: Repeatable, cotangents: Run) -> GradientBudget:
    """Return the same for gradients."""
    own = _own_gradients(trial, cotangents)
    least = {name: (_granularity(trial) * _largest(g)).expand(g.shape) for name, g in own.items()}
    return GradientBudget(own, least, trial.rounding, 0)


def noise_budget(trial: Repeatable, coarse: bool = True) -> Budget:
    """Return truth (the subject's own run, as there is no better one) and allowed error, in the form of rnncheck.oracle.budget.

    coarse: whether that counts which a subject rounds to fewer digits than its case asks for, on the way
    """
    own, least = trial.run.map(Tensor.double), least_budget(trial).allowed
    squares = own.map(torch.zeros_like)
    for copy in range(COPIES):
        follow_up, layer = _moved(trial, copy)
        with _rounding(trial, copy, coarse):
            moved = follow_up.run_on(layer)
        moved = moved.map(Tensor.double)
        squares = Run(
            *(s + (m - o) ** 2 for (_, s), (_, m), (_, o) in zip(squares.parts(), moved.parts(), own.parts(), strict=True))
        )

    def allowed(name: str, square: Tensor, value: Tensor, least: Tensor) -> Tensor:
        spread = SPREADS * _pooled(square, _widths(trial.case, name, value), -1).sqrt()
        decided = square.isfinite() & _small(spread, value.abs().nan_to_num().amax(-1, keepdim=True))
        return torch.where(decided, spread + least, torch.inf)

    parts = zip(squares.parts(), own.parts(), least.parts(), strict=True)
    return Budget(own, Run(*(allowed(name, square, value, low) for (name, square), (_, value), (_, low) in parts)))


def noise_gradient_budget(trial: Repeatable, cotangents: Run, coarse: bool = True) -> GradientBudget:
    """The same for gradients, under the names that ``trial.gradients`` uses; no rectifier's kink is looked for."""
    own = _own_gradients(trial, cotangents)
    squares = {name: torch.zeros_like(g.abs()) for name, g in own.items()}
    for copy in range(COPIES):
        follow_up, layer = _moved(trial, copy)
        with _rounding(trial, copy, coarse):
            gradients = follow_up.gradients(cotangents, layer)
        for name, g in gradients.items():
            if g is not None:
                squares[name] += (widest(g) - own[name]).abs() ** 2

    def allowed(name: str, square: Tensor, gradient: Tensor) -> Tensor:
        if not gradient.numel():
            return square
        largest = _largest(gradient)
        spread = SPREADS * _pooled(square, _widths(trial.case, name, gradient), None).sqrt()
        return torch.where(square.isfinite() & _small(spread, largest), spread + _granularity(trial) * largest, torch.inf)

    return GradientBudget(own, {name: allowed(name, square, own[name]) for name, square in squares.items()}, trial.rounding, 0)


def _own_gradients(trial: Repeatable, cotangents: Run) -> dict[str, Tensor]:
    """Those of a new layer, zeros where nothing flows."""
    layer = trial.build()
    given = dict(zip(("input", "h_0", "c_0"), (trial.x, *(trial.state or ())), strict=False)) | layer.parameters()
    found = trial.gradients(cotangents, layer).items()
    return {name: widest(torch.zeros_like(given[name]) if g is None else g) for name, g in found}


def _largest(gradient: Tensor) -> Tensor:
    """The largest absolute value of those that are finite."""
    return torch.where(gradient.isfinite(), gradient.abs(), 0.0).max() if gradient.numel() else gradient.new_zeros(())


def _granularity(trial: Repeatable) -> float:
    return 8 * float(torch.finfo(trial.case.torch_dtype).eps)


def _rounding(trial: Repeatable, copy: int, coarse: bool) -> RandomRounding:
    """At random; a recurrence may well compute in float32 whatever its data is, but in no fewer digits than both."""
    fewest = torch.float32 if trial.case.torch_dtype == torch.float64 else trial.case.torch_dtype
    return RandomRounding(trial.generator(f"rounding {copy}"), ROUNDOFFS, fewest=None if coarse else fewest)


def _pooled(squares: Tensor, widths: list[int], dim: int | None) -> Tensor:
    """The mean square of each element over the copies, or if that is larger of all in its tensor, or along dim in it.

    Few copies estimate one element poorly. widths: the features of each tensor of those that lie side by side, which may be of
    other sizes and have other noise.
    """
    whole = squares if squares.dim() else squares[None]
    parts = [torch.maximum(part / COPIES, _mean(part, dim)) for part in whole.split(widths or [whole.shape[-1]], -1)]
    return torch.cat(parts, -1).reshape(squares.shape)


def _mean(squares: Tensor, dim: int | None) -> Tensor:
    """Of those that are finite, over the copies and along dim, or all."""
    finite = squares.isfinite()
    return torch.where(finite, squares, 0.0).sum(dim, keepdim=True) / (COPIES * finite.sum(dim, keepdim=True).clamp(min=1))


def _widths(case: Case, name: str, value: Tensor) -> list[int]:
    """The features of each tensor that lies in this part of a case, by its name; [] where it is one."""
    named = case.config.named
    tensors = {"input": "sequences", "output": "outputs", "h_0": "states", "h_n": "states"}.get(name)
    widths = [] if named is None or tensors is None else [named.features(one) for one in getattr(named, tensors)]
    return widths if value.dim() and sum(widths) == value.shape[-1] else []


def _small(spread: Tensor, largest: Tensor) -> Tensor:
    """Whether errors are small enough to add up; where they are not, or a run is not finite, nothing can be said."""
    return spread <= FIRST_ORDER * largest.clamp(min=torch.finfo(spread.dtype).tiny)


def _moved(trial: Repeatable, copy: int) -> tuple[Repeatable, Layer]:
    """The case with all its data changed by a few roundoffs, and a layer whose parameters are."""
    step = ROUNDOFFS * torch.finfo(trial.case.torch_dtype).eps / 2

    def move(tensor: Tensor, name: str) -> Tensor:
        g, pairs = trial.generator(f"{name} moved {copy}"), in_pairs(tensor)
        signs = torch.rand(pairs.shape, generator=g, dtype=torch.float64) * 2 - 1
        return as_type_of(tensor, (pairs.double() * (1 + step * signs.to(tensor.device))).to(pairs.dtype))

    layer = trial.build()
    with torch.no_grad():
        for name, live in layer.parameters().items():
            if live.is_floating_point() or live.is_complex():
                live.copy_(move(live, name))
    within = trial.within_bounds
    state = trial.state and tuple(within(move(part, f"state {i}")) for i, part in enumerate(trial.state))
    return trial.but(x=move(trial.x, "input"), state=state), layer
