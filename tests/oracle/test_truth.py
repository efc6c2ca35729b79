"""The truth against torch.nn in float64, against a scalar loop over the equations, closed forms, and gradcheck."""

import math
from dataclasses import replace
from itertools import product

import pytest
import torch

from rnncheck.core.config import MODES, Config
from rnncheck.core.run import Run
from rnncheck.oracle import ROUNDINGS, OracleError, gradient_budget, truth
from rnncheck.oracle.truth import Problem, run
from tests.oracle.correct_layers import Data, Draw, gradients, torch_nn

STRUCTURES = [
    Config(mode, 4, 3, num_layers=layers, bias=bias, bidirectional=both, proj_size=projection)
    for mode, layers, bias, both in product(MODES, (1, 3), (True, False), (True, False))
    for projection in ((0, 2) if mode == "LSTM" else (0,))
]


def case(config: Config, lengths: list[int] | None = None, seed: int = 0) -> Data:
    """A generic float64 case: time 6, batch 5, random states."""
    draw, strands = Draw(seed), config.num_layers * config.directions
    parameters = {name: draw.normal(*shape) for name, shape in config.parameter_shapes().items()}
    c_0 = draw.normal(strands, 5, config.hidden_size) if config.takes_tuple else None
    x, h_0 = draw.normal(6, 5, config.input_size), draw.normal(strands, 5, config.state_size)
    return Data(config, torch.float64, parameters, x, h_0, c_0, lengths)


def distance(actual: Run, expected: Run) -> float:
    """The largest relative difference, of numbers up to 1 the absolute one."""
    pairs = zip(actual.parts(), expected.parts(), strict=True)
    return max(float(((a - e).abs() / (1 + e.abs())).max()) for (_, a), (_, e) in pairs)


@pytest.mark.parametrize("lengths", [None, [3, 6, 1, 2, 6], [1, 3, 2, 2, 1]], ids=["full", "packed", "short"])
@pytest.mark.parametrize("config", STRUCTURES, ids=str)
def test_is_what_torch_computes_in_float64(config: Config, lengths: list[int] | None):
    data = case(config, lengths)
    with torch.no_grad():
        expected = torch_nn(data)
    actual = truth(*data.arguments)
    assert [part.shape for _, part in actual.parts()] == [part.shape for _, part in expected.parts()]
    assert distance(actual, expected) < 2e-13


def scalar_step(config: Config, p: dict, x: list, h: list, c: list) -> tuple[list, list]:
    """One step with Python's floats, from the equations as torch's documentation prints them."""
    size, names = config.hidden_size, config.gates

    def rows(kind: str, gate: str, vector: list) -> list:
        first = names.index(gate) * size
        return [sum(w * v for w, v in zip(p[kind][first + i], vector, strict=True)) for i in range(size)]

    def bias(kind: str, gate: str) -> list:
        return [p[kind][names.index(gate) * size + i] for i in range(size)]

    def both(gate: str) -> list:
        terms = rows("weight_ih", gate, x), bias("bias_ih", gate), rows("weight_hh", gate, h), bias("bias_hh", gate)
        return [sum(parts) for parts in zip(*terms, strict=True)]

    def sigmoid(value: float) -> float:
        return 1 / (1 + math.exp(-value))

    if config.mode == "LSTM":
        i, f, o = ([sigmoid(a) for a in both(gate)] for gate in "ifo")
        g = [math.tanh(a) for a in both("g")]
        new = [f[j] * c[j] + i[j] * g[j] for j in range(size)]
        return [o[j] * math.tanh(new[j]) for j in range(size)], new
    if config.mode != "GRU":
        f = math.tanh if config.mode == "RNN_TANH" else (lambda a: max(a, 0.0))
        return [f(a) for a in both("h")], c
    r, z = ([sigmoid(a) for a in both(gate)] for gate in "rz")
    into, b = rows("weight_ih", "n", x), bias("bias_ih", "n")
    back, b_h = rows("weight_hh", "n", h), bias("bias_hh", "n")
    if config.reset_after:
        n = [math.tanh(into[j] + b[j] + r[j] * (back[j] + b_h[j])) for j in range(size)]
    else:
        back = rows("weight_hh", "n", [r[j] * h[j] for j in range(size)])
        n = [math.tanh(into[j] + b[j] + back[j] + b_h[j]) for j in range(size)]
    return [(1 - z[j]) * n[j] + z[j] * h[j] for j in range(size)], c


@pytest.mark.parametrize("config", [Config(mode, 4, 3) for mode in MODES] + [Config("GRU", 4, 3, reset_after=False)])
def test_is_what_the_equations_say_number_by_number(config: Config):
    data = case(config)
    p = {name.removesuffix("_l0"): value.tolist() for name, value in data.parameters.items()}
    actual = truth(*data.arguments)
    for row in range(5):
        h, c = data.h_0[0, row].tolist(), [] if data.c_0 is None else data.c_0[0, row].tolist()
        for time in range(6):
            h, c = scalar_step(config, p, data.x[time, row].tolist(), h, c)
            assert actual.output[time, row].tolist() == pytest.approx(h, rel=1e-12, abs=1e-13)
        if actual.c_n is not None:
            assert actual.c_n[0, row].tolist() == pytest.approx(c, rel=1e-12, abs=1e-13)


def test_lstm_without_weights_decays_as_its_biases_say():
    config = Config("LSTM", 2, 1)
    parameters = {name: torch.zeros(shape) for name, shape in config.parameter_shapes().items()}
    parameters["bias_ih_l0"] = torch.tensor([-40.0, 0.0, 0.0, 40.0])  # i = 0, f = 1/2, o = 1
    found = truth(config, parameters, torch.ones(3, 1, 2), None, torch.ones(1, 1, 1))
    assert found.c_n is not None
    assert found.c_n.item() == pytest.approx(0.125, abs=1e-15)
    assert found.output.flatten().tolist() == pytest.approx([math.tanh(0.5**t) for t in (1, 2, 3)], abs=1e-15)


def test_a_sequence_without_steps_keeps_its_state():
    data = case(Config("GRU", 4, 3, bidirectional=True), [0, 6, 2, 0, 1])
    found = truth(*data.arguments)
    assert torch.equal(found.h_n[:, 0], data.h_0[:, 0]) and torch.equal(found.h_n[:, 3], data.h_0[:, 3])
    assert not found.output[:, 0].any() and not found.output[2:, 2].any() and found.output[:2, 2].all()


@pytest.mark.parametrize("config", [c for c in STRUCTURES if c.bias and c.num_layers > 1 and c.mode != "RNN_RELU"], ids=str)
def test_gradients_are_those_of_torch(config: Config):
    data = case(config, [3, 6, 1, 2, 6])
    cotangents = Draw(1).cotangents(data)
    found = gradient_budget(*data.arguments, cotangents, rounding=ROUNDINGS["float64"], seed=0, copies=2)
    for name, value in gradients(torch_nn, data, cotangents).items():
        assert value is not None
        torch.testing.assert_close(found.truth[name], value, rtol=1e-11, atol=1e-12, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("config", [Config(mode, 2, 2, bidirectional=True) for mode in ("RNN_TANH", "GRU", "LSTM")])
def test_gradients_are_slopes(config: Config):
    data = case(config)
    problem = Problem.of(config, data.parameters, data.x[:3])

    def output(x: torch.Tensor) -> torch.Tensor:
        return run(replace(problem, x=x)).output

    assert torch.autograd.gradcheck(output, problem.x.clone().requires_grad_())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": Config("GRU", 4, 3, dropout=0.5)}, "dropout = 0.5"),
        ({"input": torch.zeros(6, 5, 7)}, "input.shape"),
        ({"input": torch.zeros(0, 5, 4)}, "time > 0"),
        ({"input": torch.zeros(6, 5, 4, dtype=torch.int64)}, "input.dtype"),
        ({"h_0": torch.zeros(1, 4, 3)}, "h_0.shape"),
        ({"c_0": torch.zeros(1, 5, 3)}, "has no cell state"),
        ({"lengths": [1, 2, 3, 4, 7]}, "numbers from 0 to 6"),
        ({"lengths": [1, 2]}, "should be 5 numbers"),
        ({"parameters": {}}, "parameters = []"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refuses_what_it_cannot_answer(change: dict, message: str):
    data = case(Config("GRU", 4, 3))
    given = {"config": data.config, "parameters": data.parameters, "input": data.x, "h_0": data.h_0} | change
    with pytest.raises(OracleError, match=message.replace("[", r"\[")):
        truth(**given)


def test_surroundings_change_nothing():
    data = case(Config("LSTM", 4, 3, num_layers=2, bidirectional=True), [3, 6, 1, 2, 6])
    before, state = truth(*data.arguments), torch.get_rng_state()
    torch.set_default_dtype(torch.float16)
    try:
        with torch.inference_mode():
            copy = Data(data.config, data.dtype, data.parameters, data.x.clone(), data.h_0.clone(), data.c_0, data.lengths)
            inside = truth(*copy.arguments)
            weights = Run(*(torch.ones_like(part) for _, part in inside.parts()))
            budget = gradient_budget(*copy.arguments, weights, rounding=ROUNDINGS["float32"], seed=0)
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(before.parts(), inside.parts(), strict=True))
    assert all(value.dtype == torch.float64 and value.isfinite().all() for value in budget.allowed.values())
    assert torch.equal(state, torch.get_rng_state()) and not inside.output.requires_grad
