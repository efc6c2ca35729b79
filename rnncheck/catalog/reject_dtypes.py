"""What must be refused of dtypes and devices: those that are not the layer's own."""

from collections.abc import Iterator

import torch
from torch import Tensor

from rnncheck.catalog.reject import NAMES, reject
from rnncheck.catalog.tools.conditions import deterministic, hx_given, packed, padded
from rnncheck.catalog.tools.rejections import (
    in_turn,
    refused,
    with_values,
)
from rnncheck.core.observation import Observation
from rnncheck.running.trial import Trial


def wider(dtype: torch.dtype) -> torch.dtype:
    """Another float dtype: double precision, or single beside that."""
    return torch.float64 if dtype != torch.float64 else torch.float32


def of_other_dtypes(trial: Trial) -> Iterator[Observation]:
    """Attempts with an input of another float dtype, and of integers."""
    own = trial.case.torch_dtype
    for other in (wider(own), torch.int64):
        given = trial.lay_out(trial.x.to(other), trial.state)
        yield refused(trial, f"an input of {other}", *given, NAMES[own], NAMES[other])


@reject(
    "dtype",
    formula="f(x.double()), f(x.long()) are refused by a float32 layer",
    kind="invariant",
    source="torch.nn.RNNBase.check_input",
    applies=deterministic & padded,
    cost=5,
    needs=("refusals",),
)
def dtype(trial: Trial) -> Observation:
    """An input whose dtype differs from the parameters' raises an error that names both dtypes."""
    return in_turn(trial, of_other_dtypes(trial))


@reject(
    "packed_dtype",
    formula="f(pack(x.double())), f(pack(x.long())) are refused by a float32 layer",
    kind="invariant",
    source="pytorch/pytorch#195803: not checked",
    applies=deterministic & packed,
    cost=5,
    needs=("refusals",),
)
def packed_dtype(trial: Trial) -> Observation:
    """A packed input whose dtype differs from the parameters' raises an error that names both dtypes."""
    return in_turn(trial, of_other_dtypes(trial))


@reject(
    "hx_dtype",
    formula="f(x, hx.double()) is refused by a float32 layer",
    kind="invariant",
    source="torch.nn.RNN: the input and hx have one dtype",
    applies=deterministic & hx_given,
    cost=5,
    needs=("refusals",),
)
def hx_dtype(trial: Trial) -> Observation:
    """An h_0 or c_0 whose float dtype differs from the parameters' raises an error."""
    other = wider(trial.case.torch_dtype)

    def attempt(k: int) -> Observation:
        state = tuple(part.to(other) if i == k else part for i, part in enumerate(trial.given_state))
        return refused(trial, f"{('h_0', 'c_0')[k]} of {other}", *trial.lay_out(trial.x, state))

    return in_turn(trial, (attempt(k) for k in range(len(trial.given_state))))


@reject(
    "device",
    formula="f(x.to(other)), f(x, hx.to(other)) are refused",
    kind="invariant",
    cost=6,
    source="pytorch/pytorch#9534: a state on the CPU corrupts the CUDA context",
    applies=deterministic & padded,
    needs=("refusals",),
)
def device(trial: Trial) -> Observation:
    """An input or state on another device than the layer's raises an error that names that device.

    Beside a CPU the other device is meta. Some of torch's products take a meta tensor and a CPU one, and give a meta
    tensor: that has no values that could be wrong, and counts as a refusal.
    """
    other = "cpu" if trial.x.device.type != "cpu" else "meta"
    x, hx = trial.lay_out(trial.x, trial.state)

    def moved(k: int) -> tuple[Tensor, ...]:
        return tuple(part.to(other) if i == k else part for i, part in enumerate(hx or ()))

    pairs = [(f"an input on {other}", x.to(other), hx)]
    pairs += [(f"{('h_0', 'c_0')[k]} on {other}", x, moved(k)) for k in range(len(hx or ()))]
    call = with_values(trial.layer)
    return in_turn(trial, (refused(trial, what, input, hx, (other,), call=call) for what, input, hx in pairs))
