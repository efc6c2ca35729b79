"""Compiled and exported layers, and ONNX Runtime's operators, as subjects."""

import sys

import pytest
import torch
from torch import nn

import rnncheck.nn
from rnncheck.adapters.compiled import compiled, exported
from rnncheck.adapters.targets.locate import locate
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.features import FEATURES
from rnncheck.errors import UsageError
from rnncheck.running.trial import Trial
from tests.effort import some

from . import targets

CASE = Case(Config("LSTM", 4, 7, num_layers=2, bidirectional=True), time=5, batch=3, hx="random")


class Wrong(rnncheck.nn.LSTM):
    """Wrong only where it is compiled or exported."""

    def forward(self, input, hx=None):
        output, state = super().forward(input, hx)
        return output * (2 if torch.compiler.is_compiling() else 1), state


@pytest.mark.parametrize("through", some([compiled, exported], 2))
def test_the_layer_that_runs_is_the_transformed_one(through):
    right, wrong = through(rnncheck.nn.LSTM), through(Wrong)
    assert set(right.claims) == set(FEATURES)
    assert Trial(right, CASE).budget.used(Trial(right, CASE).run) < 1
    assert Trial(wrong, CASE).budget.used(Trial(wrong, CASE).run) > 1


def test_gradients_go_through_what_is_compiled():
    trial = Trial(compiled(nn.GRU), Case(Config("GRU", 4, 7), time=5, batch=3, training=True))
    gradients = trial.gradients(trial.cotangents())
    assert set(gradients) == {"input", "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"}
    assert all(gradient is not None and gradient.ne(0).any() for gradient in gradients.values())


def test_what_is_no_module_cannot_be_compiled():
    class Plain:
        def __init__(self, input_size, hidden_size):
            self.inner = nn.GRU(input_size, hidden_size)

        def __call__(self, x, hx=None):
            return self.inner(x, hx)

    Plain.rnncheck_mode = "GRU"
    with pytest.raises(UsageError, match="Plain: is no torch.nn.Module"):
        compiled(Plain)


def test_layers_with_names_of_their_own_are_loaded_too():
    trial = Trial(compiled(targets.TextbookGRU), Case(Config("GRU", 4, 7, reset_after=False), time=3, batch=2))
    assert trial.subject.offers("load") and trial.budget.used(trial.run) < 1


# ONNX Runtime ---------------------------------------------------------------------------------------------------------


def test_a_missing_package_is_one_clear_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.delitem(sys.modules, "rnncheck.adapters.onnx", raising=False)
    with pytest.raises(UsageError) as error:
        locate("rnncheck.adapters.onnx:LSTM")
    assert str(error.value) == (
        "rnncheck.adapters.onnx:LSTM: onnxruntime is not installed, but this subject needs it: pip install onnx onnxruntime"
    )


@pytest.mark.parametrize("config", [
    Config("RNN_RELU", 4, 7, num_layers=2),
    Config("GRU", 4, 7, bidirectional=True, bias=False),
    Config("GRU", 4, 7, reset_after=False),
    Config("LSTM", 4, 7, num_layers=2, bidirectional=True),
], ids=str)  # fmt: skip
@pytest.mark.parametrize("lengths", [None, (5, 2, 3)])
@pytest.mark.parametrize("hx", ["none", "random"])
def test_onnx_runtimes_operators_are_the_equations(config, lengths, hx):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    subject = locate(f"rnncheck.adapters.onnx:{config.mode.partition('_')[0]}").object
    trial = Trial(subject, Case(config, time=5, batch=3, lengths=lengths, hx=hx))
    assert trial.budget.used(trial.run) < 1
    other = Trial(subject, trial.case.but(seed=1))
    assert trial.budget.used(other.run) > 1
