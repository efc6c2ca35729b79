"""What comes back beside outputs and states, such as a loss, is not looked at, and the first line says so."""

from itertools import islice
from typing import Any

import pytest
from jaxtyping import Float
from torch import Tensor

from rnncheck.adapters.targets.resolve import subjects
from rnncheck.catalog import CATALOG
from rnncheck.errors import UsageError
from rnncheck.judging.judge import judge, trial_of
from tests.adapters.support import claimed
from tests.typed.cases import small

X, H, Loss = Float[Tensor, "batch time units"], Float[Tensor, "batch units"], Float[Tensor, ""]


def with_a_loss(x: X, h0: H | None = None) -> tuple[X, H, Loss]:
    y = x.cumsum(1) if h0 is None else x.cumsum(1) + h0[:, None]
    return y, y[:, -1], y.square().mean()


def with_a_loss_and_the_first_state(x: X, h0: H | None = None) -> tuple[X, H, Loss]:
    """Wrong: not the last one."""
    y, _, loss = with_a_loss(x, h0)
    return y, y[:, 0], loss


def with_numbers(x: X, h0: H | None = None) -> tuple[X, float, H, Any]:
    y, h, loss = with_a_loss(x, h0)
    return y, loss.item(), h, {"loss": loss}


def with_no_state(x: X, h0: H | None = None) -> tuple[X, Loss]:
    y, _, loss = with_a_loss(x, h0)
    return y, loss


@pytest.mark.parametrize(
    ("function", "told", "red"),
    [
        (with_a_loss, "h0 -> second result: state (units); third result: not looked at", False),
        (with_a_loss_and_the_first_state, "h0 -> second result: state (units); third result: not looked at", True),
        (with_numbers, "h0 -> third result: state (units); second and fourth result: not looked at", False),
        (with_no_state, "h0: state (units), which no result gives back; second result: not looked at", False),
    ],
)
def test_it_is_read_past(function, told, red):
    subject = claimed(function)
    assert told in subject.read_as
    names = ("shape.output", "state.used", *(() if function is with_no_state else ("time.split",)))
    outcomes = [judge(CATALOG[name], trial_of(subject, case)) for case in islice(small(subject), 4) for name in names]
    assert any(one.red for one in outcomes) == red


def test_what_each_sequence_has_must_be_said():
    def weighed(x: X) -> tuple[X, Float[Tensor, "batch units units"]]:
        return x, x.mT @ x

    with pytest.raises(UsageError, match="or annotate it as Any where it is no state"):
        subjects(weighed)
