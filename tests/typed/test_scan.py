"""``rnncheck.scan``: a step whose state is of any kind, and what is no step."""

from typing import NamedTuple, TypedDict

import pytest
import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn

import rnncheck
from rnncheck.adapters.targets.resolve import subjects

H, X = Float[Tensor, "batch units"], Float[Tensor, "batch features"]
Modes = Complex[Tensor, "batch units"]
Units = Float[Tensor, " units"]
Weight = Float[Tensor, "units features"]


class Sums(NamedTuple):
    total: H
    squares: H


class Carry(TypedDict):
    total: H


def in_a_named_tuple(state: Sums, x: H) -> tuple[Sums, H]:
    return Sums(state.total + x, state.squares + x * x), state.total + x


def in_a_dict(state: Carry, x: H) -> tuple[Carry, H]:
    return {"total": state["total"] + x}, state["total"] + x


def with_weight(h: H, x: X, w: Weight) -> tuple[H, H]:
    h = h + x @ w.T
    return h, h


def turning(h: Modes, x: H) -> tuple[Modes, H]:
    h = 1j * h + x
    return h, h.real


@pytest.mark.parametrize("step", [in_a_named_tuple, in_a_dict, with_weight, turning], ids=lambda step: step.__name__)
def test_a_state_of_any_kind_is_zero_where_none_is_given(step):
    x = torch.ones(2, 3, 4)
    output, state = rnncheck.scan(step)(x, torch.ones(4, 4)) if step is with_weight else rnncheck.scan(step)(x)
    again, _ = rnncheck.scan(step)(*((x, torch.ones(4, 4)) if step is with_weight else (x,)), initial_state=state)
    assert output.shape == (2, 3, 4) and not torch.equal(output, again)
    assert subjects(rnncheck.scan(step))[0].read_as


def without_batch(h: Units, x: Units) -> tuple[Units, Units]: ...
def of_no_size(h: Float[Tensor, "batch heads units"], x: H) -> tuple[Float[Tensor, "batch heads units"], H]: ...
def with_time(h: H, x: Float[Tensor, "batch time units"]) -> tuple[H, H]: ...
def two_outputs(h: H, x: H) -> tuple[H, tuple[H, H]]: ...


class Step(nn.Module):
    def forward(self, h: H, x: H) -> tuple[H, H]: ...


WRONG = {
    without_batch: "no input has the batch as its first axis; write x: Float",
    of_no_size: "no input or parameter has the state's axis 'heads'; give initial_state",
    with_time: "a step takes no axis of time",
    two_outputs: "should each be one tensor",
    Step: "Step: is a module, but should be a function",
}


@pytest.mark.parametrize("step", WRONG, ids=lambda step: step.__name__)
def test_what_is_no_step_is_said(step):
    with pytest.raises(rnncheck.UsageError) as told:
        rnncheck.scan(step)(torch.ones(2, 3, 4))
    assert WRONG[step] in str(told.value) and "\n" not in str(told.value)
    if step is Step:
        with pytest.raises(rnncheck.UsageError, match="is a module"):
            rnncheck.scan(Step())
