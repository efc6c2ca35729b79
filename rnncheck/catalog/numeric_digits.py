"""What must hold of the digits of results: as many as their dtype has."""

import torch
from torch import Tensor

from rnncheck.catalog.numeric import numeric
from rnncheck.catalog.tools.conditions import at_least, batched, deterministic, is_float32
from rnncheck.catalog.tools.informative_data import lively
from rnncheck.core.observation import Observation, every, fact
from rnncheck.core.subject import NotClaimed
from rnncheck.running.trial import Trial

STEPS = 24
"""The least number of steps, so that results of one unit are enough to judge, too."""
DIFFERENT = 16
"""The least number of results that differ: fewer may all have few digits by chance."""


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
    run = lively(trial, STEPS).run
    telling = [(name, part) for name, part in run.parts() if part.dtype == torch.float32 and _tells(part)]
    if not telling:
        raise NotClaimed("its results are whole numbers, or too few, which says nothing of their digits")
    return every(_has_digits(name, part) for name, part in telling)


def _tells(part: Tensor) -> bool:
    """Whether there are enough numbers that are not whole and differ by more than a power of 2."""
    return len(torch.frexp(part[part != part.round()]).mantissa.unique()) >= DIFFERENT


def _has_digits(name: str, part: Tensor) -> Observation:
    low = next((dtype for dtype in (torch.bfloat16, torch.float16) if torch.equal(part.to(dtype).to(part.dtype), part)), None)
    return fact(f"digits of {name}", low is None, "those of float32" if low is None else f"those of {low}", "those of float32")
