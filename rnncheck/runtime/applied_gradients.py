"""What an optimizer is about to apply: its norm over all parameters, without the loss scale, and which known mistake it shows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from rnncheck.typechecked import seen_through

CLOSE = 1e-5
"""How close a norm is to max_norm over the loss scale where it was clipped with the scale in it: single precision's rounding."""
Finding = tuple[str, str]
"""A kind, and a message."""


@dataclass(frozen=True)
class Applied:
    """The gradients of an optimizer's parameters as it takes a step, of those in ``held`` only where that is given.

    ended: whether the step has ended: a fused optimizer has then divided them by the loss scale itself
    """

    optimizer: torch.optim.Optimizer
    max_norm: float | None
    scaler: Any = None
    held: frozenset[int] | None = None
    ended: bool = False

    @cached_property
    def groups(self) -> list[list[Tensor]]:
        """The gradients that there are, by parameter group."""
        groups = [[p for p in group["params"] if self.held is None or id(p) in self.held] for group in self.optimizer.param_groups]
        return [found for group in groups if (found := [p.grad for p in group if p.grad is not None and p.grad.numel()])]

    @cached_property
    def norms(self) -> list[list[float]]:
        """The norm of each, without the loss scale."""
        scale = getattr(self.optimizer, "grad_scale", None)
        by = 1.0 if scale is None or self.ended else float(scale)
        return [[_norm(g) / by for g in group] for group in self.groups]

    @property
    def norm(self) -> float:
        """The norm of all."""
        return _length(_length(group) for group in self.norms)

    @property
    def limit(self) -> float:
        """The bound with what rounding adds to it; infinite where there is none."""
        eps = max((torch.finfo(g.dtype).eps for group in self.groups for g in group), default=0.0)
        return torch.inf if self.max_norm is None else self.max_norm * (1 + 4 * eps)

    @property
    def skipped(self) -> bool:
        """Whether a scaler has told the optimizer that it will not make this step."""
        found = getattr(self.optimizer, "found_inf", None)
        return found is not None and bool(found)

    def finding(self, model: Iterable[Tensor] = ()) -> Finding | None:
        """What is wrong with it; ``model``: the parameters that are likely to have been clipped."""
        if not self.groups or self.skipped:
            return None
        norm = self.norm
        if self.max_norm is None or norm <= self.limit:
            return self._finite(norm) or self._scaled(norm)
        told = f"the gradients' total norm = {norm:.6g} at the optimizer's step, but should be at most {self.max_norm:.6g}"
        return "gradient norm", "; ".join(filter(None, (told, self._why(model))))

    def _finite(self, norm: float) -> Finding | None:
        return None if norm < torch.inf else ("non-finite gradient", f"the gradients' total norm = {norm} at the optimizer's step")

    def _scaled(self, norm: float) -> Finding | None:
        """Clipped with the loss scale still in it."""
        scale = _scale_of(self.scaler)
        if self.max_norm is None or scale == 1.0 or not abs(norm * scale - self.max_norm) <= CLOSE * self.max_norm:
            return None
        told = f"the gradients' total norm = {norm:.6g} at the optimizer's step is max_norm over the loss scale {scale:g}"
        return "clipped before unscaling", f"{told}: they are clipped before the loss scale is taken out, or it is taken out twice"

    def _why(self, model: Iterable[Tensor]) -> str:
        """The known mistake, where the numbers tell."""
        if self._still_scaled():
            return f"the loss scale {_scale_of(self.scaler):g} is still in it: call scaler.step(optimizer)"
        groups = [_length(group) for group in self.norms]
        if len(groups) > 1 and max(groups) <= self.limit:
            return f"each of the {len(groups)} parameter groups is within it: they are clipped separately"
        each = [norm for group in self.norms for norm in group]
        if sum(norm >= (self.max_norm or 0.0) * (1 - CLOSE) for norm in each) > 1 and max(each) <= self.limit:
            return "each parameter is within it: they are clipped separately"
        own = {id(p) for p in model}
        rest = [p for group in self.optimizer.param_groups for p in group["params"] if id(p) not in own and p.grad is not None]
        inside = _length(_norm(p.grad) for p in model if p.grad is not None)
        if own and rest and 0 < inside <= self.limit:
            return f"the model's own gradients are within it: {len(rest)} of the optimizer's parameters are not clipped with them"
        return ""

    def _still_scaled(self) -> bool:
        """Whether the scaler has a scale, and nobody has taken it out of these gradients."""
        if _scale_of(self.scaler) == 1.0 or getattr(self.optimizer, "grad_scale", None) is not None:
            return False
        states = getattr(self.scaler, "_per_optimizer_states", {})
        stage = states[id(self.optimizer)]["stage"] if id(self.optimizer) in states else None
        return getattr(stage, "name", "READY") == "READY"


def _scale_of(scaler: Any) -> float:
    return 1.0 if scaler is None or not scaler.is_enabled() else float(scaler.get_scale())


def _norm(gradient: Tensor) -> float:
    wide = torch.float32 if gradient.device.type == "mps" else torch.float64
    return float(torch.linalg.vector_norm(seen_through(gradient), dtype=wide))


def _length(norms: Iterable[float] | Sequence[float]) -> float:
    return float(torch.linalg.vector_norm(torch.tensor(list(norms), dtype=torch.float64)))
