"""The allowed error of gradients: what it must find, what it must not, and rectifiers at their kink."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from rnncheck.core.config import MODES, Config
from rnncheck.core.run import Run
from rnncheck.oracle import ROUNDINGS, GradientBudget, gradient_budget, rounding_for
from rnncheck.oracle.error_size import Sizes
from rnncheck.oracle.gradient_budget import overflowing
from tests.effort import at_night
from tests.oracle.correct_layers import LAYERS, MODELS, Data, Draw, Style, can, gradients, loop, torch_nn
from tests.oracle.test_budget import generic


def asked(data: Data, seed: int = 0) -> tuple[GradientBudget, Run]:
    """The budget of generic cotangents, and these."""
    cotangents = Draw(seed + 1).cotangents(data)
    return gradient_budget(*data.arguments, cotangents, rounding=rounding_for(data.dtype), seed=seed), cotangents


def test_no_false_alarm_in_some_random_cases():
    draw = Draw(54321, longest=30)
    for case, data in enumerate(draw.many(at_night(40, 15))):
        name, cotangents = draw.random.choice([name for name in LAYERS if can(name, data)]), draw.cotangents(data)
        found = gradient_budget(*data.arguments, cotangents, rounding=rounding_for(data.dtype), seed=case)
        share = found.used(gradients(LAYERS[name], data, cotangents))
        assert share <= 1, f"case {case}: {name} on {data.config}, {data.dtype}: {share}"
        assert all(bool((value >= 0).all()) for value in found.allowed.values())


@pytest.mark.parametrize("name", MODELS)
def test_no_false_alarm_where_a_layer_rounds_as_another_model_says(name):
    model, layer = MODELS[name]
    draw = Draw(777, (torch.float32,), longest=20)
    cases = [data for data in draw.many(at_night(16, 8)) if can(name, data)]
    for case, data in enumerate(cases):
        weights = draw.cotangents(data).map(lambda part: part.to(ROUNDINGS[model].dtype).float())
        found = gradient_budget(*data.arguments, weights, rounding=ROUNDINGS[model], seed=case)
        share = found.used(gradients(layer, data, weights))
        assert share <= 1, f"case {case}: {name} on {data.config}: {share}"


def test_gradients_through_operands_cut_to_tf32_are_not_those_of_float32():
    data = generic(Config("LSTM", 4, 3, num_layers=2), time=6)
    found, cotangents = asked(data)
    assert found.used(gradients(MODELS["TF32, cut off"][1], data, cotangents)) > 1


class Scaled(torch.autograd.Function):
    """The identity, whose gradient is off by one part in 100,000."""

    @staticmethod
    def forward(ctx, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        return grad * (1 + 1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_a_backward_pass_that_is_off_by_one_in_100000_is_found(mode):
    data = generic(Config(mode, 4, 3, num_layers=2), time=6)
    found, cotangents = asked(data)

    def wrong(case: Data) -> Run:
        return loop(replace(case, h_0=Scaled.apply(case.h_0)), Style())

    right, off = (gradients(layer, data, cotangents) for layer in (torch_nn, wrong))
    assert found.used(right) < 1
    assert found.ratios(off)["h_0"].max() > 1 and found.ratios(off)["input"].max() < 1


def test_a_parameter_that_gets_no_gradient_is_found():
    data = generic(Config("GRU", 4, 3))
    found, cotangents = asked(data)
    actual = gradients(torch_nn, data, cotangents)
    assert found.used({**actual, "bias_hh_l0": None}) > 1
    assert found.used({"bias_hh_l0": actual["bias_hh_l0"]}) < 1


def test_keys_and_shapes_are_those_of_the_layer():
    data = generic(Config("LSTM", 4, 3, bidirectional=True, proj_size=2))
    found, _ = asked(data)
    shapes = {name: tuple(value.shape) for name, value in found.allowed.items()}
    given = {"input": (12, 3, 4), "h_0": (2, 3, 2), "c_0": (2, 3, 3)}
    assert shapes == given | data.config.parameter_shapes() == {n: tuple(v.shape) for n, v in found.truth.items()}


def test_a_rectifier_at_its_kink_may_be_taken_either_way():
    config = Config("RNN_RELU", 2, 3)
    data = generic(config, time=4)
    parameters = {name: value.clone() for name, value in data.parameters.items()}
    parameters["weight_ih_l0"][1] = parameters["weight_hh_l0"][1] = 0
    parameters["bias_ih_l0"][1], parameters["bias_hh_l0"][1] = 0.3, -0.3  # exactly 0 before the rectifier
    at_kink = replace(data, parameters=parameters)
    found, cotangents = asked(at_kink)
    double = {name: value.double() for name, value in parameters.items()}
    double["bias_ih_l0"][1] += 1e-12  # off in one, on in the other
    nudged_data = Data(config, torch.float64, double, data.x.double(), data.h_0.double(), None, None)
    nudged = gradients(torch_nn, nudged_data, cotangents.map(Tensor.double))
    assert found.kinks == 4 * 3
    assert float((nudged["bias_ih_l0"] - found.truth["bias_ih_l0"]).abs().max()) > 0.1
    assert found.used(nudged) < 1
    assert asked(data)[0].kinks == 0


def test_padding_and_a_sequence_without_steps_get_no_gradient():
    data = replace(generic(Config("LSTM", 4, 3, bidirectional=True)), lengths=[0, 12, 5])
    found, cotangents = asked(data)
    assert not found.truth["input"][:, 0].any() and not found.truth["input"][5:, 2].any()
    assert float(found.allowed["input"][5:, 2].max()) < 1e-30
    torch.testing.assert_close(found.truth["h_0"][:, 0], cotangents.h_n[:, 0].double())


def test_an_empty_batch_has_zero_gradients():
    found, _ = asked(generic(Config("GRU", 4, 3), batch=0))
    assert found.truth["input"].shape == (12, 0, 4) and not found.truth["weight_ih_l0"].any()


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_half_precision_gradients_that_overflow_are_undecided(name):
    rounding = ROUNDINGS[name]
    data = generic(Config("RNN_RELU", 4, 3), rounding.dtype)
    cotangents = Draw(1).cotangents(data).map(lambda value: value * 3e4)
    found = gradient_budget(*data.arguments, cotangents, rounding=rounding, seed=0)
    assert found.used(gradients(torch_nn, data, cotangents)) <= 1
    assert found.allowed["input"].isinf().any() == (name == "float16")


def test_nothing_is_said_of_a_row_whose_forward_pass_may_overflow_in_part():
    """60000 + 60000 - 120000 is 0 in one order only; a rectifier hides from the gradients that it may be anything."""
    config = Config("RNN_RELU", 4, 1, bias=False)
    parameters = {name: torch.zeros(shape, dtype=torch.float16) for name, shape in config.parameter_shapes().items()}
    parameters["weight_ih_l0"][0] = torch.tensor([60.0, 60.0, -60.0, -60.5])
    x = torch.tensor([1000.0, 1.0], dtype=torch.float16)[None, :, None].repeat(2, 1, 4)
    data = Data(config, torch.float16, parameters, x, torch.zeros(1, 2, 1, dtype=torch.float16), None, None)
    found, _ = asked(data)
    assert bool(found.allowed["input"][:, 0].isinf().all()) and bool(found.allowed["input"][:, 1].isfinite().all())


def test_gradients_through_rectifiers_in_doubt_may_take_other_ways():
    """Of three units one is within rounding of 0 at each of 60 steps, or far from it."""
    config, room = Config("RNN_RELU", 1, 3), []
    x = 3 + Draw(0).normal(60, 1, 1).float()
    for bias in (0.0, 1.0):
        parameters = {
            "weight_ih_l0": torch.tensor([[1.0], [0.7], [0.0]]),
            "weight_hh_l0": torch.diag(torch.tensor([0.9, 0.8, 0.1])),
            "bias_ih_l0": torch.tensor([1.0, 1.5, 1.3 + bias]),
            "bias_hh_l0": torch.tensor([0.5, 0.3, -1.3]),
        }
        found, _ = asked(Data(config, torch.float32, parameters, x, torch.zeros(1, 1, 3), None, None))
        room.append(float(found.allowed["input"][0, 0, 0]))
    assert 1.5 < room[0] / room[1] < 20


@pytest.mark.parametrize(("model", "value"), [("float16", 65000.0), ("float16", torch.nan), ("float64", 1e200)])
def test_the_row_that_may_leave_the_range_is_the_one_that_is_lost(model: str, value: float):
    truth = torch.ones(3, 1, 2, 4, dtype=torch.float64)
    copies = truth.repeat_interleave(16, -3)
    assert not overflowing(truth, copies, Sizes(ROUNDINGS[model]), 16).any()
    copies[1, :, 1, 2] = value
    assert overflowing(truth, copies, Sizes(ROUNDINGS[model]), 16).tolist() == [False, True]
