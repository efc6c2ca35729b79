"""What must hold of the digits of results: as many as their dtype has."""

import torch
from torch import Tensor

from rnncheck.catalog.numeric import numeric
from rnncheck.catalog.tools.conditions import at_least, batched, deterministic, is_float32
from rnncheck.catalog.tools.informative_data import lively
from rnncheck.core.observation import Observation, every, fact
from rnncheck.running.trial import Trial

STEPS = 8
"""The least number of steps: a few results may have few digits by chance."""
DIFFERENT = 16
"""Numbers that differ by more than a power of 2, from which on it is no chance that all have few digits."""


@numeric(
    "digits",
    formula="f(x) in float32 != round(f(x)) to bfloat16, and to float16",
    kind="invariant",
    convention="results in float32 are numbers of bfloat16 or float16: something rounds, or computes, in fewer digits",
    source="a state kept in half precision, whatever the dtype is",
    applies=deterministic & is_float32 & batched & at_least(time=1, batch=1),
    cost=2,
)
def in_full(trial: Trial) -> Observation:
    """Not all numbers of a result in float32 are those of bfloat16, or of float16, as where a state is kept in one of these."""
    return every(_has_digits(name, part) for name, part in lively(trial, STEPS).run.parts() if part.dtype == torch.float32)


def _has_digits(name: str, part: Tensor) -> Observation:
    """Whole numbers, such as spikes, and numbers that are alike say nothing of digits."""
    if len(torch.frexp(part[part != part.round()]).mantissa.unique()) < DIFFERENT:
        return Observation()
    low = next((dtype for dtype in (torch.bfloat16, torch.float16) if torch.equal(part.to(dtype).to(part.dtype), part)), None)
    return fact(f"digits of {name}", low is None, "those of float32" if low is None else f"those of {low}", "those of float32")
