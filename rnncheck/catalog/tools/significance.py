"""Whether a count, or numbers, can be chance: exact tests, at a level where a false alarm is not to be expected."""

from math import log, sqrt

import torch
from torch import Tensor

from rnncheck.core.observation import Observation, fact, near

LEVEL = 1e-9
"""The probability of a false alarm in one test."""


def tails(count: int, trials: int, probability: float) -> float:
    """P(K <= count) or P(K >= count), whichever is smaller, for K successes among independent trials.

    >>> tails(1, 2, 0.5)
    0.75
    >>> round(tails(0, 10, 0.5) * 1024, 6)
    1.0
    """
    k = torch.arange(trials + 1, dtype=torch.float64)
    if probability in (0.0, 1.0):
        return float(count == round(trials * probability))
    n = torch.tensor(float(trials), dtype=torch.float64)
    ways = torch.lgamma(n + 1) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1)
    each = ways + k * log(probability) + (n - k) * log(1 - probability)
    below, above = each[: count + 1].logsumexp(0), each[count:].logsumexp(0)
    return float(torch.minimum(below, above).exp())


def by_chance(what: str, count: int, trials: int, probability: float) -> Observation:
    """A count of independent events of this probability that chance explains (two-sided, LEVEL)."""
    plausible = tails(count, trials, probability) > LEVEL / 2
    return fact(what, plausible, f"{count} of {trials}", f"about {probability * trials:.0f}, by chance")


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
