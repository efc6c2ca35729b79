"""From the copies' spread to what is allowed.

    allowed = LAMBDA * sigma * stretch + 2 ulp(truth) + 2 underflow

sigma is the root mean square distance of the copies from the truth; at each step, the larger of the element's own and that of
all features of its row and direction. A few copies alone measure a single element badly: with 8 of them sigma² has a
chi-squared law of 8 degrees of freedom, which falls below a tenth of its mean once in 1,000 elements.

LAMBDA. The injected errors are as large as a roundoff can be, u|v| with a random sign. A real one is uniform in half an ulp:
its variance, averaged over the significands, is u²v²/6 (0.18). So a real error has a standard deviation of 0.42 sigma, LAMBDA
= 4 is 9.4 of these, and with sigma measured by a pool of 3 features and 8 copies (Student's t with 24 degrees of freedom)
an element exceeds it with probability 1.6e-9: 1e-6 for a case of 600 independent numbers. Where more features are pooled
it is far less. docs/oracle.md has the measured distribution.

stretch. The above is first-order: errors that add up are normal. But an error e in a pre-activation changes the slope
of its gate by up to the factor exp(e), the slopes of all steps multiply, and the spread becomes that of a normal law's
exponential. Where e has, over all steps so far, the standard deviation tau, LAMBDA tau becomes exp(LAMBDA tau) - 1. This is 1
but for half precision with large weights and for chaotic networks, of which nothing is known from some step on.

The granularity covers what no noise shows: a value that is stored has an ulp, and below the underflow threshold nothing
but zero may be left of it.
"""

import torch
from torch import Tensor

from rnncheck.oracle.rounding import Rounding

LAMBDA = 4.0
"""How many sigma are allowed."""


def pooled(truth: Tensor, copies: Tensor) -> Tensor:
    """sigma of each element, (…, size), from copies (…, copies, batch, size); NaN where a copy is not finite."""
    variance = (copies - truth.unsqueeze(-3)).square().mean(dim=-3)
    return torch.maximum(variance, variance.mean(dim=-1, keepdim=True)).sqrt()


def stretch(variance: Tensor) -> Tensor:
    """(exp(LAMBDA tau) - 1) / (LAMBDA tau), of tau²; infinite where it is not finite or too large."""
    exponent = LAMBDA * variance.sqrt()
    factor = torch.where(exponent > 1e-4, exponent.expm1() / exponent, 1.0)
    return factor.nan_to_num(nan=torch.inf)


def allowed(truth: Tensor, sigma: Tensor, rounding: Rounding) -> Tensor:
    """LAMBDA sigma + granularity; infinite where nothing can be said."""
    ulp = 2 * rounding.store + 2.0**-52
    bound = LAMBDA * sigma + ulp * truth.abs() + 2 * rounding.underflow
    decided = bound.isfinite() & truth.isfinite() & (truth.abs() <= rounding.overflow)
    return torch.where(decided, bound, torch.inf)


def ratio(truth: Tensor, allowed: Tensor, actual: Tensor) -> Tensor:
    """|actual - truth| / allowed: 0 where anything is allowed, infinite where actual is NaN and may not be."""
    error = (actual.detach().to(device="cpu", dtype=torch.float64) - truth).abs()
    share = torch.where(error == 0, 0.0, error / allowed)
    return torch.where(allowed.isinf(), 0.0, share.nan_to_num(nan=torch.inf, posinf=torch.inf))
