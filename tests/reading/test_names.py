"""Own parameter names matched with torch's, one to one or not at all."""

import pytest
import torch
from torch import nn

from rnncheck.core.config import Config
from rnncheck.reading.parameters.parameter_names import match, misfit, own_parameters, read, set_parameter, unmatched

DEEP = Config("LSTM", 4, 3, num_layers=2, bidirectional=True)
PATTERNS = {
    "torch": "{kind}_{side}_l{layer}{reverse}",
    "within a wrapper": "inner.rnn.{kind}_{side}_l{layer}{reverse}",
    "within a list": "rnns.0.{kind}_{side}_l{layer}{reverse}",
    "torch.ao.nn.quantizable": "layers.{layer}.layer_{fw}.cell.{gates}.{kind}",
    "layers of torch's": "layers.{layer}.{kind}_{side}_l0{reverse}",
    "cells in one list": "cells.{index}.{kind}_{side}",
    "cells in a list of lists": "cells.{layer}.{direction}.{kind}_{side}",
    "two lists": "{word}_cells.{layer}.{kind}_{side}",
    "linear layers": "{word}_layers.{layer}.{linear}.{kind}",
    "letters": "{word}.{layer}.{letter}_{axis}",
}


def own_name(pattern, name):
    """torch's name written in the way of another implementation."""
    kind, side, layer, *reverse = name.split("_")
    k, back = int(layer[1:]), bool(reverse)
    return pattern.format(
        kind=kind, side=side, layer=k, direction=int(back), index=2 * k + back, reverse="_reverse" if back else "",
        fw="bw" if back else "fw", word="backward" if back else "forward", gates=f"{side[0]}gates",
        linear={"ih": "x2h", "hh": "h2h"}[side], letter=kind[0].upper(), axis={"ih": "x", "hh": "h"}[side],
    )  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_matched_whatever_their_order(pattern):
    theirs = {name: own_name(pattern, name) for name in DEEP.parameter_shapes()}
    assert match(list(theirs.values())[::-1], DEEP) == theirs
    assert list(match(theirs.values(), DEEP)) == list(DEEP.parameter_shapes())


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_not_matched_where_one_is_missing_or_too_many(pattern):
    theirs = [own_name(pattern, name) for name in DEEP.parameter_shapes()]
    assert match(theirs[1:], DEEP) is None
    assert match([*theirs, "scale"], DEEP) is None


@pytest.mark.parametrize("names", [
    ["i2h.weight", "h2h.weight", "i2h.bias"],
    ["forget.weight", "forget.bias", "write.weight", "write.bias"],
    ["a", "b", "c", "d"],
    [],
])  # fmt: skip
def test_not_matched(names):
    assert match(names, Config("GRU", 4, 3)) is None


def test_the_last_word_counts():
    assert read("input_proj.hidden.weight")[:2] == ("weight", "hh")


def test_a_projection():
    config = Config("LSTM", 4, 3, proj_size=2)
    assert match([f"cell.{name}" for name in config.parameter_shapes()], config)["weight_hr_l0"] == "cell.weight_hr_l0"


def test_shapes_must_fit():
    layer, config = nn.GRU(4, 3), Config("GRU", 4, 3)
    own, names = own_parameters(layer), match(dict(layer.named_parameters()), config)
    assert misfit(own, names, config) is None
    told = misfit(own, names, config.but(hidden_size=5))
    assert told == "weight_ih_l0 has shape (9, 4), but weight_ih_l0 should have (15, 4)"


def test_what_could_not_be_matched_is_named():
    told = unmatched({"a": torch.ones(1), "b": torch.ones(1)}, Config("RNN_TANH", 1, 1))
    theirs = "weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0"
    assert told == f"its parameters (a, b) cannot be matched one to one with torch's ({theirs})"


def test_parameters_are_set_in_place():
    layer = nn.LSTM(4, 3)
    before = layer.weight_hh_l0
    set_parameter(layer, "weight_hh_l0", torch.full((12, 3), 2.0))
    assert layer.weight_hh_l0 is before and before.eq(2.0).all() and before.requires_grad


def test_a_parametrized_weight_is_read_and_set_under_its_plain_name():
    layer = nn.utils.parametrizations.weight_norm(nn.LSTM(4, 3), "weight_hh_l0")
    assert set(own_parameters(layer)) == {"weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"}
    wanted = torch.arange(36.0).reshape(12, 3) + 1
    set_parameter(layer, "weight_hh_l0", wanted)
    torch.testing.assert_close(own_parameters(layer)["weight_hh_l0"], wanted)
    output, _ = layer(torch.ones(2, 1, 4))
    output.sum().backward()
    assert layer.parametrizations.weight_hh_l0.original1.grad is not None


def test_what_is_no_module_has_no_parameters():
    assert own_parameters(lambda x: x) == {}
