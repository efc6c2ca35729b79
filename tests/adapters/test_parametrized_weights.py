"""Layers that parametrize their own weights, as by a weight norm: what torch computes anew at each call is no mistake of theirs."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.utils import weight_norm as old_weight_norm
from torch.nn.utils.parametrizations import weight_norm

from rnncheck.catalog import CATALOG
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.subject import Claim
from rnncheck.core.values import Values
from rnncheck.judging.judge import judge
from rnncheck.running.trial import Trial
from tests.strangers.hunted import kill_of, subject_of


class Normed(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell = weight_norm(nn.GRUCell(input_size, hidden_size), "weight_hh")

    def forward(self, x, h=None):
        h = x.new_zeros(x.shape[1], self.cell.hidden_size) if h is None else h[0]
        outputs = []
        for step in x:
            h = self.step(step, h)
            outputs.append(h)
        return torch.stack(outputs), h[None]

    def step(self, x, h):
        return self.cell(x, h)


class NormedLSTM(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.rnn = weight_norm(nn.LSTM(input_size, hidden_size), "weight_hh_l0")

    def forward(self, x, hc=None):
        return self.rnn(x, hc)


class NormedByHook(Normed):
    """No name of torch's is that of a parameter, so that its equations are not known."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.cell = old_weight_norm(nn.GRUCell(input_size, hidden_size), "weight_hh")


class OfTheFirstWeights(Normed):
    """It keeps what the norm gave when the layer was first called."""

    kept = None

    def step(self, x, h):
        if self.kept is None:
            self.kept = self.cell.weight_hh.detach().clone()
        part = self.cell
        return torch.gru_cell(x, h, part.weight_ih, self.kept, part.bias_ih, part.bias_hh)


PROPERTIES = "weights.write_through,weights.as_new,weights.parametrize,weights.trainable,shape.meta,life.machine,gradient.second"


@pytest.mark.parametrize("layer", [Normed, NormedLSTM, NormedByHook])
def test_what_is_right_is_green(layer):
    assert kill_of(subject_of(layer), cases=12, by=PROPERTIES) is None


@pytest.mark.parametrize("layer", [Normed, NormedLSTM])
def test_its_equations_are_those_of_torch(layer):
    assert subject_of(layer).offers("load")


def test_one_number_that_is_normed_needs_no_gradient():
    """A number through its own norm is its sign."""
    subject, zeros = subject_of(Normed), Values("zeros")
    subject = replace(subject, claims={**subject.claims, "float16": Claim(True, "declared")})
    case = Case(Config("GRU", 1, 1), 1, 1, dtype="float16", weights=Values("ones"), biases=zeros, input=zeros)
    assert judge(CATALOG["weights.trainable"], Trial(subject, case)).status == "not_applicable"


def test_weights_that_are_kept_are_red():
    assert kill_of(subject_of(OfTheFirstWeights), cases=8, by="weights.as_new") is not None
