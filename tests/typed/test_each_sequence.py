"""One of several sequences that moves nothing is warned of; one that acts in the first step alone is red."""

from itertools import islice
from typing import Annotated

import pytest
import torch
from jaxtyping import Bool, Float
from torch import Tensor

import rnncheck
from rnncheck.catalog import CATALOG
from rnncheck.judging.judge import judge, trial_of
from tests.adapters.support import claimed
from tests.typed.cases import small

X, H = Float[Tensor, "batch time units"], Float[Tensor, "batch units"]
Times, Flags = Float[Tensor, "batch time"], Bool[Tensor, "batch time"]
USED = CATALOG["argument.used"]


def drawn_nearer(x: X, dt: Tensor, h: H | None) -> tuple[X, H]:
    h, outputs = torch.zeros_like(x[:, 0]) if h is None else h, []
    for t in range(x.shape[1]):
        h = h + dt[:, t, None].sigmoid() * (x[:, t] - h)
        outputs.append(h)
    return torch.stack(outputs, 1), h.clone()


def in_each_step(x: X, dt: Times, h: H | None = None) -> tuple[X, H]:
    return drawn_nearer(x, dt, h)


def between_steps(x: X, dt: Times, h: H | None = None) -> tuple[X, H]:
    """The first step has none before it."""
    return drawn_nearer(x, dt.diff(prepend=dt[:, :1]), h)


def with_flags(x: X, seen: Flags, done: Annotated[Flags, rnncheck.Reset()], h: H | None = None) -> tuple[X, H]:
    h, outputs = torch.zeros_like(x[:, 0]) if h is None else h, []
    for t in range(x.shape[1]):
        h = torch.where(done[:, t, None], torch.zeros_like(h), h)
        h = torch.where(seen[:, t, None], 0.5 * (h + x[:, t]), h)
        outputs.append(h)
    return torch.stack(outputs, 1), h.clone()


def ignored(x: X, dt: Times, h: H | None = None) -> tuple[X, H]:
    return drawn_nearer(x, torch.ones_like(dt), h)


def ignored_flags(x: X, seen: Flags, h: H | None = None) -> tuple[X, H]:
    return drawn_nearer(x, torch.ones_like(x[..., 0]), h)


def of_the_first_step(x: X, dt: Times, h: H | None = None) -> tuple[X, H]:
    return drawn_nearer(x, dt[:, :1].expand_as(dt), h)


def outcomes(function, count=6):
    subject = claimed(function)
    return [judge(USED, trial_of(subject, case)) for case in islice(filter(USED.applies, small(subject)), count)]


@pytest.mark.parametrize("function", [in_each_step, between_steps, with_flags])
def test_sequences_that_act_are_not_red(function):
    assert {outcome.status for outcome in outcomes(function)} == {"holds"}


@pytest.mark.parametrize("function", [ignored, ignored_flags])
def test_a_sequence_that_moves_nothing_is_warned_of(function):
    red = [outcome for outcome in outcomes(function) if outcome.red]
    assert red and all(USED.warns_of(outcome.mismatches) for outcome in red)


def test_a_sequence_that_acts_in_the_first_step_alone_is_red():
    red = [outcome for outcome in outcomes(of_the_first_step) if outcome.red]
    assert red and not any(USED.warns_of(outcome.mismatches) for outcome in red)
