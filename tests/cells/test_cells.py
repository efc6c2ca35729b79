"""The cells against torch's own, against arithmetic by hand, and against their types."""

import math

import pytest
import torch
from jaxtyping import TypeCheckError
from torch import Tensor

from rnncheck import cells
from rnncheck.cells.types import in_symmetric_interval, in_unit_interval
from rnncheck.typechecked import checked

GATES = {"elman_tanh": 1, "elman_relu": 1, "gru_reset_after": 3, "gru_reset_before": 3, "lstm": 4, "lstm_projected": 4}
BATCH, INPUT, HIDDEN, FEATURES = 4, 3, 5, 2


def arguments(name: str, *, bias: bool = True, dtype: torch.dtype = torch.float64, seed: int = 0) -> list[Tensor | None]:
    """x, the state, weight_ih, weight_hh, bias_ih, bias_hh and for the projection weight_hr, all random."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=dtype)

    rows, features = GATES[name] * HIDDEN, FEATURES if name == "lstm_projected" else HIDDEN
    state = [draw(BATCH, features)] + ([draw(BATCH, HIDDEN)] if name.startswith("lstm") else [])
    biases = [draw(rows), draw(rows)] if bias else [None, None]
    projection = [draw(FEATURES, HIDDEN)] if name == "lstm_projected" else []
    return [draw(BATCH, INPUT), *state, draw(rows, INPUT), draw(rows, features), *biases, *projection]


def cell(name: str):
    return getattr(cells, f"{name}_cell")


def torch_step(name: str, x, *rest) -> tuple[Tensor, ...]:
    """The new state by torch's functional cells; none of them knows the reset gate before the product."""
    if name == "lstm":
        h, c, *weights = rest
        return torch.lstm_cell(x, (h, c), *weights)
    function = {"elman_tanh": torch.rnn_tanh_cell, "elman_relu": torch.rnn_relu_cell, "gru_reset_after": torch.gru_cell}
    return (function[name](x, *rest),)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", ["elman_tanh", "elman_relu", "gru_reset_after", "lstm"])
def test_a_cell_is_torchs(name, bias):
    args = arguments(name, bias=bias)
    for actual, expected in zip(cell(name)(*args).state, torch_step(name, *args), strict=True):
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-14)


def test_the_projection_is_torchs():
    x, h, c, weight_ih, weight_hh, bias_ih, bias_hh, weight_hr = arguments("lstm_projected")
    lstm = torch.nn.LSTM(INPUT, HIDDEN, proj_size=FEATURES, dtype=torch.float64)
    with torch.no_grad():
        for parameter, value in zip(lstm.parameters(), (weight_ih, weight_hh, bias_ih, bias_hh, weight_hr), strict=True):
            parameter.copy_(value)
        _, (h_n, c_n) = lstm(x[None], (h[None], c[None]))
    step = cells.lstm_projected_cell(x, h, c, weight_ih, weight_hh, bias_ih, bias_hh, weight_hr)
    torch.testing.assert_close((step.h, step.c), (h_n[0], c_n[0]), rtol=0, atol=1e-14)


def sigmoid(a: float) -> float:
    return 1 / (1 + math.exp(-a))


def test_lstm_by_hand():
    one = torch.tensor([[1.0]], dtype=torch.float64)
    step = cells.lstm_cell(
        0.5 * one,
        0.25 * one,
        2.0 * one,
        torch.tensor([[1.0], [2.0], [3.0], [4.0]], dtype=torch.float64),
        torch.tensor([[-1.0], [1.0], [2.0], [-2.0]], dtype=torch.float64),
    )
    i, f, g, o = sigmoid(0.5 - 0.25), sigmoid(1.0 + 0.25), math.tanh(1.5 + 0.5), sigmoid(2.0 - 0.5)
    c = f * 2.0 + i * g
    assert [t.item() for t in step] == pytest.approx([i, f, g, o, c, o * math.tanh(c)], abs=1e-15)


@pytest.mark.parametrize("name", ["gru_reset_after", "gru_reset_before"])
def test_gru_by_hand(name):
    """Two hidden units, so that U (r * h) and r * (U h) differ; r scales b_hn too, but only where it acts after."""
    x, h = [0.5], [0.25, -0.75]
    W = [[1.0], [-1.0], [0.5], [2.0], [1.5], [-0.5]]
    U = [[0.1, -0.2], [0.3, 0.4], [-0.5, 0.6], [0.7, -0.8], [0.9, 1.0], [-1.1, 1.2]]
    b_i, b_h = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [-0.6, 0.5, -0.4, 0.3, -0.2, 0.1]

    def Wx(row):
        return W[row][0] * x[0] + b_i[row]

    def product(row, v):
        return U[row][0] * v[0] + U[row][1] * v[1] + b_h[row]

    r = [sigmoid(Wx(k) + product(k, h)) for k in (0, 1)]
    z = [sigmoid(Wx(2 + k) + product(2 + k, h)) for k in (0, 1)]
    if name == "gru_reset_after":
        n = [math.tanh(Wx(4 + k) + r[k] * product(4 + k, h)) for k in (0, 1)]
    else:
        n = [math.tanh(Wx(4 + k) + product(4 + k, [r[0] * h[0], r[1] * h[1]])) for k in (0, 1)]
    new = [(1 - z[k]) * n[k] + z[k] * h[k] for k in (0, 1)]

    def tensor(values):
        return torch.tensor(values, dtype=torch.float64)

    step = cell(name)(tensor([x]), tensor([h]), *map(tensor, (W, U, b_i, b_h)))
    for actual, expected in zip(step, (r, z, n, new), strict=True):
        torch.testing.assert_close(actual, tensor([expected]), rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", GATES)
def test_a_step_is_the_cell_behind_the_input_projection(name):
    x, *rest = arguments(name)
    states = len(cell(name)(x, *rest).state)
    state, (weight_ih, weight_hh, bias_ih, bias_hh, *weight_hr) = rest[:states], rest[states:]
    step = checked(getattr(cells, f"{name}_step"))  # its annotations hold too, though nobody checks them in a loop
    projected = torch.nn.functional.linear(x, weight_ih, bias_ih)
    for actual, expected in zip(step(projected, *state, weight_hh, bias_hh, *weight_hr), cell(name)(x, *rest), strict=True):
        assert torch.equal(actual, expected)


@pytest.mark.parametrize("name", GATES)
@pytest.mark.parametrize("argument", ["state", "weight_ih", "weight_hh", "bias_hh"])
def test_a_cell_refuses_a_shape_that_does_not_fit(name, argument):
    args = arguments(name)
    place = {"state": 1, "weight_ih": -4, "weight_hh": -3, "bias_hh": -1}[argument]
    place -= name == "lstm_projected" and place < 0
    args[place] = torch.cat([args[place], args[place]])
    with pytest.raises(TypeCheckError, match=f"{name}_cell"):
        cell(name)(*args)


@pytest.mark.parametrize("name", ["gru_reset_after", "gru_reset_before", "lstm", "lstm_projected"])
def test_a_gate_that_is_nan_is_no_gate(name):
    args = arguments(name)
    args[0][0, 0] = math.nan
    with pytest.raises(TypeCheckError, match=r"in_unit_interval"):
        cell(name)(*args)


@pytest.mark.parametrize("name", GATES)
def test_extreme_values_stay_gates_and_saturate(name):
    step = cell(name)(*(None if a is None else 1e4 * a for a in arguments(name, dtype=torch.float32)))
    assert all(t.isfinite().all() for t in step)
    assert all(((t == 0) | (t == 1)).all() for letter, t in step._asdict().items() if letter in "rzifo")


@pytest.mark.parametrize("name", GATES)
def test_unbatched_empty_and_vmapped(name):
    x, *rest = arguments(name)
    states = len(cell(name)(x, *rest).state)
    state, weights = rest[:states], rest[states:]
    whole = cell(name)(x, *state, *weights)
    alone = cell(name)(x[1], *(s[1] for s in state), *weights)
    axes = (0,) * (1 + states) + (None,) * len(weights)
    mapped = torch.func.vmap(cell(name), in_dims=axes)(x, *state, *weights)
    empty = cell(name)(x[:0], *(s[:0] for s in state), *weights)
    for all_rows, one_row, each_row, no_row in zip(whole, alone, mapped, empty, strict=True):
        torch.testing.assert_close(one_row, all_rows[1], rtol=0, atol=1e-14)
        torch.testing.assert_close(each_row, all_rows, rtol=0, atol=1e-14)
        assert no_row.shape == (0, *all_rows.shape[1:])


def test_what_lies_in_an_interval():
    assert in_unit_interval(torch.tensor([0.0, 1.0])) and in_symmetric_interval(torch.tensor([-1.0, 1.0]))
    for outside in (-1e-7, 1.0000001, math.nan, math.inf):
        assert not in_unit_interval(torch.tensor([0.5, outside]))
    for outside in (-1.0000001, 1.0000001, math.nan, -math.inf):
        assert not in_symmetric_interval(torch.tensor([0.5, outside]))
    assert in_unit_interval(torch.empty(0, 3)) and in_unit_interval(torch.empty(3, device="meta"))


def test_a_gate_is_a_type():
    @checked
    def half(gate: cells.Gate) -> cells.Gate:
        return gate * 2

    assert half(torch.tensor([0.25, 0.5])).tolist() == [0.5, 1.0]
    with pytest.raises(TypeCheckError, match="returned .* to 2, but should"):
        half(torch.tensor([0.25, 1.0]))
    with pytest.raises(TypeCheckError, match="gate"):
        half(torch.tensor([0.25, 1.5]))
