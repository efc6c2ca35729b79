"""The same trial in another dtype or on another device, and its state changed part by part."""

import pytest
import torch

from rnncheck.adapters.torch_layers import torch_nn
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.running.trial import Trial


@pytest.mark.parametrize("hx", ["random", "none"])
def test_everything_that_a_trial_gives_is_in_the_other_dtype_and_the_numbers_are_the_same(hx):
    trial = Trial(torch_nn("LSTM"), Case(Config("LSTM", 2, 3), time=4, batch=2, hx=hx))
    double = trial.to("float64")
    assert double.case == trial.case.but(dtype="float64")
    given = [double.x, *(double.state or ()), *double.parameters.values()]
    before = [trial.x, *(trial.state or ()), *trial.parameters.values()]
    assert len(given) == len(before) and all(tensor.dtype == torch.float64 for tensor in given)
    assert all(torch.equal(tensor, was.double()) for tensor, was in zip(given, before, strict=True))
    assert double.run.output.dtype == torch.float64


def test_whole_numbers_stay_what_they_are():
    trial = Trial(torch_nn("GRU"), Case(Config("GRU", 2, 3), time=1))
    counted = trial.but(parameters={**trial.parameters, "steps": torch.tensor(2**53 + 1)})
    assert counted.to("float32").parameters["steps"].item() == 2**53 + 1


def test_another_device_leaves_the_dtype():
    trial = Trial(torch_nn("GRU"), Case(Config("GRU", 2, 3), time=1, dtype="bfloat16"))
    moved = trial.to(device="cpu")
    assert (moved.case, moved.x.dtype) == (trial.case, torch.bfloat16)


def test_each_part_of_a_state_is_changed_and_none_stays_none():
    case = Case(Config("LSTM", 2, 3), time=1, batch=2, hx="random")
    trial = Trial(torch_nn("LSTM"), case)
    h, c = trial.map_state(torch.neg)
    assert torch.equal(h, -trial.state[0]) and torch.equal(c, -trial.state[1])
    assert Trial(torch_nn("LSTM"), case.but(hx="none")).map_state(torch.neg) is None
