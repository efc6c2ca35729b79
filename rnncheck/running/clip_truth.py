"""What clipping by the norm has to give, in float64, and how far from it rounding may lead."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, inf, isinf, log

import torch
from torch import Tensor

from rnncheck.core.mismatch_text import Origins

EPSILON = 1e-6
"""What torch and others add to the norm before they divide by it: smaller clipped gradients, never larger ones."""
SINGLE = torch.finfo(torch.float32).eps / 2


def total_norm(gradients: Sequence[Tensor], norm_type: float) -> float:
    """The norm of all gradients taken as one vector, in float64; scaled, so that nothing overflows or underflows.

    norm_type: a positive number or infinity. NaN and infinities in the gradients are returned as such.
    """
    nothing = torch.zeros(0, dtype=torch.float64)
    flat = torch.cat([nothing, *(g.detach().double().cpu().reshape(-1) for g in gradients)]).abs()
    largest = float(flat.max()) if flat.numel() else 0.0
    if largest == 0.0 or not largest < inf or isinf(norm_type):
        return largest
    return largest * fsum(((flat / largest) ** norm_type).tolist()) ** (1 / norm_type)


@dataclass(frozen=True)
class ClipTruth:
    """g' = min(max_norm / norm, 1) g.

    norm:      of all gradients as one vector
    low, high: what a gradient may be multiplied by: with and without EPSILON added to the norm
    relative:  how far norm and factor may be off by rounding; 0 for the factor where nothing is to be clipped
    """

    norm: float
    low: float
    high: float
    relative: float
    untouched: bool

    def expected(self, gradient: Tensor) -> Tensor:
        """The clipped gradient, float64 on the CPU."""
        return gradient.detach().double().cpu() * ((self.low + self.high) / 2)

    def sides(self, gradient: Tensor, one: str, other: str) -> Origins:
        """Two results of clipping a gradient, in words, and what is right."""
        return Origins(one, other, self.expected(gradient), self.allowed(gradient))

    def allowed(self, gradient: Tensor) -> Tensor:
        """How far each element may be off; nothing where nothing is to be clipped."""
        if self.untouched:
            return torch.zeros(gradient.shape, dtype=torch.float64)
        size = gradient.detach().double().cpu().abs()
        stored = unit_roundoff(gradient.dtype) * self.high * size + underflow(gradient.dtype)
        return size * ((self.high - self.low) / 2 + self.relative * self.high) + stored


def clip_truth(
    gradients: Sequence[Tensor],
    max_norm: float,
    norm_type: float,
    *,
    epsilon: float = EPSILON,
    working: torch.dtype | None = None,
    shards: bool = False,
) -> ClipTruth:
    """The truth for these finite gradients, for a function that computes norm and factor in the dtype ``working``.

    working: by default the least precise dtype among the gradients (what a function that never converts them uses)
    shards:  whether the norm of a gradient is made of those of its shards: a power, a sum and a root more
    """
    norm = total_norm(gradients, norm_type)
    high, low = _factor(max_norm, norm), _factor(max_norm, norm + epsilon)
    coarse = working or max((g.dtype for g in gradients), key=unit_roundoff, default=torch.float64)
    relative = relative_error(coarse, sum(g.numel() for g in gradients), norm, low, norm_type)
    relative += 3 * unit_roundoff(coarse) if shards else 0.0
    return ClipTruth(norm, low, high, relative, norm * (1 + relative) + epsilon <= max_norm)


def _factor(max_norm: float, norm: float) -> float:
    return min(max_norm / norm, 1.0) if norm > 0 else 1.0


def relative_error(working: torch.dtype, terms: int, norm: float, factor: float, norm_type: float) -> float:
    """How far a factor computed in ``working`` may be off, relative to it.

    Each tensor's powers, sum and root, the same over the tensors' norms, the addition and the division: eight
    roundings, and one a term for the summation (Higham, Accuracy and Stability of Numerical Algorithms, 4.4), which is
    in float32 at least. A root other than the square root is a power whose exponent 1 / norm_type is rounded too, which
    the logarithm multiplies. Norm and factor may be subnormal numbers, which have fewer digits.
    """
    unit = unit_roundoff(working)
    root = 2 * abs(log(norm)) if norm and norm_type not in (1.0, 2.0, inf) else 0.0
    subnormal = underflow(working) if working == torch.float16 else 0.0  # the others' are below all that is compared
    digits = subnormal * (1 / norm + 1 / factor) if norm and factor else 0.0
    return (8 + root) * unit + terms * min(unit, SINGLE) + digits


def unit_roundoff(dtype: torch.dtype) -> float:
    """Half the distance from 1 to the next number."""
    return torch.finfo(dtype).eps / 2


def underflow(dtype: torch.dtype) -> float:
    """The absolute error of a result that is too small: float16 keeps subnormal numbers, the others may flush them."""
    info = torch.finfo(dtype)
    return info.tiny * info.eps / 2 if dtype == torch.float16 else info.tiny
