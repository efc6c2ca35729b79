"""Rounding errors that add up instead of averaging out: of equal units, equal terms, equal steps, and of one weight over time."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from rnncheck.core.config import Config
from rnncheck.core.run import Run
from rnncheck.oracle import ROUNDINGS, budget
from rnncheck.oracle.equal_rows import forward_twins, twins
from rnncheck.oracle.perturbation import Copies, Numbers, RandomTape
from rnncheck.oracle.truth import Problem
from tests.effort import at_night, some
from tests.oracle.correct_layers import LAYERS, MODELS, Data, Draw, can, gradients
from tests.oracle.test_budget import generic, used
from tests.oracle.test_gradient_budget import asked


def with_constant_recurrence(seed: int, dtype: torch.dtype) -> Data:
    """Two rectified layers, of which the lower one has one number for all recurrent weights and one for all states."""
    draw, data = Draw(seed), generic(Config("RNN_RELU", 5, 28, num_layers=2), dtype, time=3, seed=seed)
    data.parameters["weight_hh_l0"].fill_(float(draw.normal(1)) / 10)
    h_0 = data.h_0.clone()
    h_0[0] = float(draw.normal(1))
    return replace(data, h_0=h_0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_equal_units_make_equal_errors_which_the_next_layer_adds_up(dtype: torch.dtype):
    for seed in range(at_night(60, 15)):
        data = with_constant_recurrence(seed, dtype)
        for name in ("torch.nn", "one term after the other", "from the last term to the first"):
            assert used(data, LAYERS[name](data), seed) < 1, (seed, name)


def test_a_sum_may_begin_with_a_large_number():
    for seed in range(20):
        data = generic(Config("RNN_RELU", 1, 64), time=1, seed=seed)
        far = replace(data, x=100 * data.x, h_0=torch.full_like(data.h_0, 0.7))
        for name in ("onto the input's part", "torch.nn", "one product of both"):
            assert used(far, LAYERS[name](far), seed) < 1, (seed, name)


class Alike(Draw):
    """Parameters and data of which many are equal, all, by rows, by columns, or but for the sign."""

    def config(self) -> Config:
        hidden = self.random.choice((8, 24))
        config = super().config()
        return config.but(hidden_size=hidden, proj_size=min(config.proj_size, hidden - 1))

    def time(self) -> int:
        return self.random.randint(1, 6)

    def values(self, *shape: int) -> Tensor:
        normal, kind = self.normal(*shape), self.random.choice(("all", "rows", "columns", "signs", "none"))
        if kind == "all":
            return torch.full(shape, float(normal.flatten()[0]), dtype=torch.float64)
        if kind in ("rows", "columns") and len(shape) == 2:
            return (normal[:1] if kind == "rows" else normal[:, :1]).expand(shape).clone()
        if kind == "signs":
            return float(normal.flatten()[0]) * (1 - 2.0 * (torch.arange(normal.numel()) % 2).double()).reshape(shape)
        return normal


def test_no_false_alarm_where_many_numbers_are_equal():
    draw = Alike(7)
    for case, data in enumerate(draw.many(at_night(120, 40))):
        for name in draw.random.sample([name for name in LAYERS if can(name, data)], 2):
            with torch.no_grad():
                assert used(data, LAYERS[name](data), case) <= 1, (case, name, data.config, data.dtype)


def test_twins_are_rows_that_are_equal_but_for_the_sign():
    assert twins(torch.eye(3)) is None
    found = twins(torch.tensor([[0.0, 2.0], [1.0, 1.0], [0.0, -2.0], [0.0, 2.0]]).double())
    assert found is not None
    assert found.same.tolist() == [0, 1, 0, 0] and found.sign.tolist() == [1, 1, -1, 1]


def test_generic_weights_have_none_and_constant_ones_only_twins():
    data = generic(Config("LSTM", 4, 3))
    assert not forward_twins(Problem.of(*data.arguments).layers[0], data.config.kind)
    ones = {name: torch.ones_like(value) for name, value in data.parameters.items()}
    found = forward_twins(Problem.of(*replace(data, parameters=ones).arguments).layers[0], data.config.kind)
    assert set(found) >= {"x", "a", "s", "c", "h"}
    assert all(same.same.max() == 0 for same in found.values())


def test_twins_share_their_errors_in_the_second_half_of_the_copies():
    same = twins(torch.ones(6, 2).double())  # 2 gates of 3 units
    numbers = Numbers(RandomTape(0, 1000), Copies(4, 8), same).throughout(torch.ones(2, 3, 1, 5, 3).double())
    assert numbers.shape == (2, 3, 8, 5, 3)
    for step in numbers.unbind(1):
        shared = step[:, 4:]
        assert bool((shared == shared[:1, :, :, :1]).all()) and not bool((step[:, :4] == step[:1, :4, :, :1]).all())


@pytest.mark.parametrize(("model", "layer"), [("float32", LAYERS["torch.nn"]), MODELS["TF32, cut off"]], ids=["float32", "tf32"])
def test_one_row_at_rest_says_nothing_about_the_others(model: str, layer: Callable[[Data], Run]):
    for seed in range(10):  # one unit, so small that it is linear; the first row starts and stays at 0
        data = generic(Config("RNN_TANH", 1, 1, bias=False), time=7, batch=4, seed=seed)
        parameters = {name: -0.01 * value.abs() for name, value in data.parameters.items()}
        h_0 = data.h_0.clone()
        h_0[:, 0] = 0
        data = replace(data, x=torch.zeros_like(data.x), parameters=parameters, h_0=h_0)
        assert budget(*data.arguments, rounding=ROUNDINGS[model], seed=seed).used(layer(data)) < 1


@pytest.mark.parametrize("name", some(["TF32, cut off", "TF32, rounded", "a loop under autocast"], 3))
def test_a_weight_is_rounded_the_same_way_at_every_step(name: str):
    model, layer = MODELS[name]
    for seed in range(4):
        data = generic(Config("RNN_RELU", 1, 1), time=600, batch=2, seed=seed)
        parameters = {name: torch.full_like(value, 1.013 if "hh" in name else 0.37) for name, value in data.parameters.items()}
        data = replace(data, parameters=parameters, x=data.x.abs())
        with torch.no_grad():
            assert budget(*data.arguments, rounding=ROUNDINGS[model], seed=seed).used(layer(data)) < 1


def test_nothing_is_said_of_gradients_where_rectifiers_in_doubt_may_all_go_the_same_way():
    data = generic(Config("RNN_RELU", 30, 28, bias=False), time=7, batch=4)
    data.parameters["weight_ih_l0"].fill_(-0.51965)
    data.parameters["weight_hh_l0"].copy_(data.parameters["weight_hh_l0"][:, :1].expand(28, 28))
    x = 3.5444609e-4 * (2.0 * (torch.arange(30) % 2) - 1).expand_as(data.x)  # the sums are 0, or what rounding leaves of it
    data = replace(data, x=x, h_0=torch.zeros_like(data.h_0))
    found, cotangents = asked(data)
    assert found.used(gradients(LAYERS["torch.nn"], data, cotangents)) <= 1
    assert found.kinks == 7 * 4 * 28 and found.allowed["input"].isinf().all()
    other = replace(data, x=x + 1)
    assert asked(other)[0].allowed["input"].isfinite().all()


def test_an_error_among_twins_is_still_found():
    data = with_constant_recurrence(0, torch.float32)
    right = LAYERS["torch.nn"](data)
    assert used(data, Run(right.output * (1 + 1e-4), *right.state)) > 1
    assert asked(data)[0].allowed["weight_hh_l0"].isfinite().all()
