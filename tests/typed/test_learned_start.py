"""A parameter that is the state to begin with where none is given acts in such calls alone."""

from itertools import islice

import pytest
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rnncheck.catalog import CATALOG
from rnncheck.judging.judge import judge, trial_of
from tests.adapters.support import claimed
from tests.typed.cases import small

X, H, Units = Float[Tensor, "batch time units"], Float[Tensor, "batch units"], Float[Tensor, " units"]


def learned(x: X, start: Units, h0: H | None = None) -> tuple[X, H]:
    h, outputs = start.expand(len(x), -1) if h0 is None else h0, []
    for t in range(x.shape[1]):
        h = 0.5 * h + x[:, t]
        outputs.append(h)
    return torch.stack(outputs, 1), h


def ignored(x: X, start: Units, h0: H | None = None) -> tuple[X, H]:
    """Wrong: it begins from zeros whatever the parameter is."""
    return learned(x, 0 * start, h0)


@pytest.mark.parametrize(("function", "red"), [(learned, False), (ignored, True)], ids=["right", "wrong"])
def test_it_is_trained(function, red):
    subject = claimed(function)
    cases = [case for case in islice(small(subject), 12) if case.training]
    assert cases and any(judge(CATALOG["weights.trainable"], trial_of(subject, case)).red for case in cases) == red


def masked(x: X, mask: Bool[Tensor, "batch time"] | None = None, h0: H | None = None) -> tuple[X, H]:
    """The sum begins from one, and stops where a sequence ends."""
    mask = torch.ones_like(x[..., 0], dtype=torch.bool) if mask is None else mask
    h, outputs = torch.ones_like(x[:, 0]) if h0 is None else h0, []
    for t in range(x.shape[1]):
        h = torch.where(mask[:, t, None], 0.5 * h + x[:, t], h)
        outputs.append(h)
    return torch.stack(outputs, 1), h


def padded_from_zeros(x: X, mask: Bool[Tensor, "batch time"] | None = None, h0: H | None = None) -> tuple[X, H]:
    """Wrong: a sequence with padding begins from zeros."""
    whole = mask is None or mask.all(1, keepdim=True)
    return masked(x, mask, torch.ones_like(x[:, 0]) * whole if h0 is None else h0)


@pytest.mark.parametrize(("function", "red"), [(masked, False), (padded_from_zeros, True)], ids=["right", "wrong"])
def test_it_is_a_convention_where_lengths_are_told_too(function, red):
    subject, zero = claimed(function), CATALOG["state.default_is_zero"]
    cases = [case for case in islice(small(subject), 24) if case.lengths is not None and case.hx == "none" or case.hx == "zeros"]
    outcomes = [judge(zero, trial_of(subject, case)) for case in cases]
    outcomes = [outcome for outcome in outcomes if outcome.red]
    assert outcomes and any(zero.warns_of(outcome.mismatches) is None for outcome in outcomes) == red


def lost_at_the_end(x: X, h0: H | None = None) -> tuple[X, H]:
    """Wrong: half of the state that comes back is lost, and not what it begins from."""
    y, h = masked(x, None, h0)
    return y, 0.5 * h


def test_pieces_that_do_not_go_on_are_not_said_to_begin_wrongly():
    subject, zero, split = claimed(lost_at_the_end), CATALOG["state.default_is_zero"], CATALOG["time.split"]
    trials = [trial_of(subject, case) for case in islice(small(subject), 12)]
    assert any(judge(split, trial).red for trial in trials)
    outcomes = [outcome for trial in trials for outcome in [judge(zero, trial)] if outcome.red]
    assert outcomes and all(zero.warns_of(outcome.mismatches) for outcome in outcomes)
