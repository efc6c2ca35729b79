"""Whether a count, or numbers, can be chance: exact tests, at a level where a false alarm is not to be expected."""

from functools import cache
from math import log, sqrt

import torch
from torch import Tensor

from rnncheck.core.observation import Observation, near

LEVEL = 1e-9
"""The probability of a false alarm in one test."""


@cache
def allowed_counts(trials: int, probability: float) -> tuple[int, int]:
    """Return the least and the largest number of successes among independent trials that chance explains (two-sided, LEVEL).

    >>> allowed_counts(10_000, 0.5)
    (4695, 5305)
    """
    if probability in (0.0, 1.0):
        return round(trials * probability), round(trials * probability)
    k, n = torch.arange(trials + 1, dtype=torch.float64), torch.tensor(float(trials), dtype=torch.float64)
    ways = torch.lgamma(n + 1) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1)
    each = ways + k * log(probability) + (n - k) * log(1 - probability)
    below, above = each.logcumsumexp(0), each.flip(0).logcumsumexp(0).flip(0)  # log P(K <= k), log P(K >= k)
    plausible = (torch.minimum(below, above) > log(LEVEL / 2)).nonzero()
    return int(plausible[0]), int(plausible[-1])


def chance_says(count: int, trials: int, probability: float) -> tuple[str, str]:
    """Return in words the count, and what it should be: the same words where chance explains the count."""
    low, high = allowed_counts(trials, probability)
    should = f"about {probability * trials:.0f}, by chance"
    return should if low <= count <= high else f"{count} of {trials}", should


def distance_from_uniform(values: Tensor) -> Tensor:
    """Return Kolmogorov's distance of these values from U(-1, 1)."""
    ordered, n = values.reshape(-1).sort().values, values.numel()
    rank = torch.arange(n, dtype=torch.float64)
    expected = (ordered.clamp(-1, 1) + 1) / 2
    return torch.maximum((expected - rank / n).abs(), (expected - (rank + 1) / n).abs()).max()


def uniform(what: str, distance: Tensor, n: int, eps: float) -> Observation:
    """Kolmogorov's distance of n values, rounded to a relative ``eps``, from a uniform distribution is what chance allows.

    By the inequality of Dvoretzky, Kiefer, Wolfowitz and Massart, P(D > d) <= 2 exp(-2 n d^2).
    """
    allowed = sqrt(log(2 / LEVEL) / (2 * n)) + eps
    return near(f"distance of {what} from uniform", distance, torch.zeros_like(distance), allowed)
