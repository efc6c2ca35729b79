"""From the copies' spread to what is allowed.

    allowed = margin * sigma * stretch + 2 ulp(truth) + 2 underflow

sigma is the root mean square distance of the copies from the truth; at each step, the larger of the element's own and that of
all features of its row and direction.

margin. The injected errors are normal, with the standard deviation u|v|, as large as a roundoff can be. A real one is uniform
in an ulp: its variance is u²v²/3 over the square of the significand, and 0.18 u²v² on average over the significands, whose
logarithms are uniform. So a real error has a standard deviation of 0.42 sigma.
sigma itself is measured by K copies. Where a network amplifies errors, one direction of the state space wins, and all
features at all later steps show the same K numbers: then (error / 0.42) / sigma has Student's law with K degrees of
freedom, however many features are pooled. margin is its quantile at FALSE_ALARM, times 0.42.

stretch. The above is first-order: errors that add up are normal. But an error e in a pre-activation changes the slope
of its gate by up to the factor exp(e), the slopes of all steps multiply, and the spread becomes that of a normal law's
exponential. Where e has, over all steps so far, the standard deviation tau, margin tau becomes exp(margin tau) - 1. This is
1 except for half precision with large weights and for chaotic networks, of which nothing is known from some step on.

The granularity covers what no noise shows: a value that is stored has an ulp, and below the underflow threshold nothing
but zero may be left of it.
"""

import math
from functools import cache

import torch
from torch import Tensor

from rnncheck.oracle.rounding import Rounding

FALSE_ALARM = 1e-7
"""The probability that a correct layer exceeds what is allowed, for each direction in which errors grow on their own."""
REAL = 0.42
"""The standard deviation of a real rounding error, in units of the injected one."""


def exceeds(value: float, freedom: int) -> float:
    """P(|t| > value) of Student's t with an even number of degrees of freedom (Abramowitz and Stegun 26.7.4).

    >>> round(exceeds(2.306, 8), 4)
    0.05
    """
    angle = math.atan(value / math.sqrt(freedom))
    term = total = 1.0
    for j in range(1, freedom // 2):
        term *= (2 * j - 1) / (2 * j) * math.cos(angle) ** 2
        total += term
    return 1 - math.sin(angle) * total


@cache
def margin(copies: int) -> float:
    """Return how many sigma are allowed if it was measured by ``copies`` copies, an even number.

    >>> round(margin(8), 1), round(margin(16), 1)
    (7.5, 3.8)
    """
    if copies < 2 or copies % 2:
        raise ValueError(f"copies = {copies}, but should be an even number")
    low, high = 1.0, 1e6
    for _ in range(80):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if exceeds(middle, copies) > FALSE_ALARM else (low, middle)
    return REAL * high


def variance(truth: Tensor, copies: Tensor, count: int) -> Tensor:
    """Of the copies (…, runs, batch, size) about the truth (…, 1, batch, size), in its shape; NaN where one is not finite.

    count: how many copies are a sample; if there are twice as many, the variance is the sum of two samples' (twins.py).
    """
    return (copies - truth).square_().sum(dim=-3, keepdim=True).div_(count)


def pooled(variances: Tensor) -> Tensor:
    """sigma of each element: the larger of its own and that of all features."""
    return torch.maximum(variances, variances.mean(dim=-1, keepdim=True)).sqrt()


def stretch(tau2: Tensor, copies: int) -> Tensor:
    """(exp(margin tau) - 1) / (margin tau); infinite where it is not finite or too large."""
    exponent = margin(copies) * tau2.sqrt()
    factor = torch.where(exponent > 1e-4, exponent.expm1() / exponent, 1.0)
    return factor.nan_to_num(nan=torch.inf)


def allowed(truth: Tensor, spread: Tensor, rounding: Rounding) -> Tensor:
    """spread (margin times sigma times stretch) + granularity; infinite where nothing can be said."""
    ulp = 2 * rounding.store + 2.0**-52
    bound = spread + ulp * truth.abs() + 2 * rounding.underflow
    decided = bound.isfinite() & truth.isfinite() & (truth.abs() + bound <= rounding.overflow)
    return torch.where(decided, bound, torch.inf)


def ratio(truth: Tensor, allowed: Tensor, actual: Tensor) -> Tensor:
    """|actual - truth| / allowed: 0 where anything is allowed, infinite where actual is NaN and may not be."""
    error = (actual.detach().to(device="cpu", dtype=torch.float64) - truth).abs()
    share = torch.where(error == 0, 0.0, error / allowed)
    return torch.where(allowed.isinf(), 0.0, share.nan_to_num(nan=torch.inf, posinf=torch.inf))
