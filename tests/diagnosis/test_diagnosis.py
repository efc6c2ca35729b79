"""The diagnosis: each hypothesis recognises itself, small errors are fitted, coarse rounding is named, nothing is invented."""

import pytest
import torch
from torch import Tensor

from rnncheck.core.config import Config
from rnncheck.core.run import Run
from rnncheck.diagnosis import Answer, diagnose
from rnncheck.diagnosis.alterations import gate_order
from rnncheck.diagnosis.altered_case import asked_of
from rnncheck.diagnosis.cell_variants import tf32, tf32_cut
from rnncheck.diagnosis.hypotheses import hypotheses
from rnncheck.oracle import ROUNDINGS
from rnncheck.oracle.truth import Problem
from tests.effort import NIGHTLY
from tests.oracle.correct_layers import Data, Style, loop
from tests.oracle.test_budget import generic, scaled_gate

DEEP = Config("GRU", 4, 3, num_layers=2, bidirectional=True)


def diagnosis(data: Data, actual: Run, rounding: str = "float32") -> str | None:
    """Of a result on this case."""
    return diagnose(Answer.of(asked_of(*data.arguments), actual, ROUNDINGS[rounding], 0))


@pytest.mark.parametrize(
    "config", [Config("LSTM", 4, 3), DEEP, Config("RNN_RELU", 4, 3), Config("GRU", 4, 3, reset_after=False)], ids=str
)
def test_every_hypothesis_recognises_itself(config):
    data = generic(config, time=6, batch=4)
    missed = []
    possible = [hypothesis for hypothesis in hypotheses(config) if hypothesis.common or config != DEEP]
    for hypothesis in possible if NIGHTLY else possible[::3]:
        actual = hypothesis.change(asked_of(*data.arguments)).solve().map(Tensor.float)
        sentence = diagnosis(data, actual)
        if sentence is None or not sentence.endswith(f" if {hypothesis.name}"):
            missed.append((hypothesis.name, sentence))
    # a network without bounds explodes, and then nothing is known of it
    assert [name for name, _ in missed if "left out" not in name and "polynomial" not in name] == []


def test_data_that_no_change_touches_are_taken_apart_once(monkeypatch):
    split, real = [], Problem.of
    monkeypatch.setattr(Problem, "of", lambda *data: split.append(data) or real(*data))
    asked = asked_of(*generic(Config("GRU", 4, 3), time=3).arguments)
    changed = [hypothesis.change(asked) for hypothesis in hypotheses(asked.config)]
    same = [one for one in changed if one.parameters is asked.parameters and one.x is asked.x and one.h_0 is asked.h_0]
    found = [one.problem().layers for one in same if one.config is asked.config and one.lengths is asked.lengths]
    assert len(found) > 10 and len(split) == 1
    other = asked.parameter(lambda name, value: 2 * value)
    assert torch.equal(other.problem().layers[0].w, 2 * found[0][0].w)


def test_two_changes_at_once_are_named_together():
    data = generic(Config("GRU", 4, 3), time=6)
    changed = gate_order("zrn")(asked_of(*data.arguments))
    actual = changed.but(config=data.config.but(reset_after=False)).solve().map(Tensor.float)
    words = "the reset gate is applied before the product and the gates are ordered z, r, n"
    assert diagnosis(data, actual) == f"agrees with torch.nn.GRU if {words}"


def test_a_correct_layer_needs_no_diagnosis_and_a_strange_one_gets_none():
    data = generic(Config("LSTM", 4, 3), time=6)
    right = loop(data, Style())
    assert diagnosis(data, right) is None
    strange = Run(right.output * torch.linspace(0.5, 1.5, 6)[:, None, None], *right.state)
    assert diagnosis(data, strange) is None


def test_a_wrong_factor_is_no_rounding():
    data = generic(Config("LSTM", 4, 3, num_layers=2), time=6, batch=4)
    right = asked_of(*data.arguments).solve()
    assert diagnosis(data, Run(right.output * 1.001, *right.state)) is None


@pytest.mark.parametrize("gate", ["f", "i", "o"])
def test_a_small_relative_error_is_measured_and_its_gate_named(gate):
    data = generic(Config("LSTM", 4, 3))
    assert f"gate {gate} is multiplied by 1.0001" in (diagnosis(data, loop(data, scaled_gate(gate, 1e-4))) or "")


def test_an_epsilon_is_measured():
    data = generic(Config("GRU", 4, 3))
    sentence = diagnosis(data, loop(data, Style(sigmoid=lambda a: torch.sigmoid(a + 1e-4))))
    assert sentence is None or "is added to the pre-activation" not in sentence  # two gates are off, not one
    elman = generic(Config("RNN_TANH", 4, 3))
    shifted = {**elman.parameters, "bias_ih_l0": elman.parameters["bias_ih_l0"] + 1e-4}
    actual = loop(Data(elman.config, elman.dtype, shifted, elman.x, elman.h_0, None, None), Style())
    assert diagnosis(elman, actual) == "agrees with torch.nn.RNN if 0.0001 is added to the pre-activation of h"


@pytest.mark.parametrize(
    ("product", "words"),
    [
        (lambda x, w: (tf32(x.double()) @ tf32(w.double()).T).float(), "operands of products are rounded to TF32"),
        (lambda x, w: (tf32_cut(x.double()) @ tf32_cut(w.double()).T).float(), "operands of products are cut to TF32"),
        (lambda x, w: (x.bfloat16().double() @ w.bfloat16().double().T).float(), "operands of products are rounded to bfloat16"),
    ],
    ids=["tf32", "tf32 cut", "bfloat16"],
)
def test_coarse_operands_are_named(product, words):
    data = generic(Config("LSTM", 4, 3))
    assert words in (diagnosis(data, loop(data, Style(product=product))) or "")


def half_sums(x: Tensor, w: Tensor) -> Tensor:
    """Accumulated in float16."""
    total = torch.zeros(len(x), len(w), dtype=torch.float16)
    for k in range(x.shape[1]):
        total = (total.float() + x[:, k : k + 1] * w[:, k]).half()
    return total.float()


def test_half_precision_sums_are_named():
    data = generic(Config("RNN_TANH", 24, 24))
    words = "agrees with torch.nn.RNN within the rounding of products accumulated in float16"
    assert diagnosis(data, loop(data, Style(product=half_sums))) == words


@pytest.mark.parametrize(
    ("places", "words"),
    [
        (("c",), "if the cell state is kept in bfloat16"),
        (("h",), "if the state h is kept in bfloat16"),
        (("c", "h"), "if both states are kept in bfloat16"),
    ],
    ids=["c", "h", "both"],
)
def test_states_kept_in_bfloat16_are_named(places, words):
    data = generic(Config("LSTM", 4, 3))
    kept = asked_of(*data.arguments).seeing({place: lambda value: value.bfloat16().double() for place in places})
    assert diagnosis(data, kept.solve().map(Tensor.float)) == f"agrees with torch.nn.LSTM {words}"


def test_float32_inside_a_float64_layer_is_named():
    data = generic(Config("GRU", 4, 3))
    double = Data(
        data.config,
        torch.float64,
        {n: v.double() for n, v in data.parameters.items()},
        data.x.double(),
        data.h_0.double(),
        None,
        None,
    )
    sentence = diagnosis(double, loop(data, Style()).map(Tensor.double), "float64")
    assert sentence == "agrees with torch.nn.GRU within the rounding of float32"


def test_an_imitation_that_gets_right_numbers_wrong_is_no_explanation():
    data = generic(Config("GRU", 4, 3), time=12)
    right = loop(data, Style())
    halved = right.map(lambda part: part.half().float())
    assert diagnosis(data, halved) == "agrees with torch.nn.GRU if its results are rounded to float16"
    output = right.output.clone()
    output[1::2] = halved.output[1::2]
    assert "rounded" not in (diagnosis(data, Run(output, right.h_n)) or "")
