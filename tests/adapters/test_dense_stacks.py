"""A stack whose layers read more than the output below is no stack of torch's, and is judged by what its own calls give."""

import pytest
import torch
from torch import nn

from rnncheck.catalog import CATALOG
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.judging.judge import judge
from rnncheck.running.trial import Trial
from tests.strangers.hunted import kill_of, subject_of


class Dense(nn.Module):
    """Each layer reads the input and the outputs of all layers below."""

    def __init__(self, input_size, hidden_size, num_layers=2, dropout=0.0):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        sizes = [input_size + layer * hidden_size for layer in range(num_layers)]
        self.grus = nn.ModuleList(nn.GRU(size, hidden_size, batch_first=True) for size in sizes)

    def forward(self, x, states=None):
        states, last = [None] * len(self.grus) if states is None else states, []
        for gru, state in zip(self.grus, states, strict=True):
            output, state = gru(self.dropout(x), state)
            x = torch.cat([x, output], -1)
            last.append(self.carried(state))
        return output, last

    def carried(self, state):
        return state


class DenseOfTheFirstRow(Dense):
    """All rows go on with the state of the first."""

    def carried(self, state):
        return state[:, :1].expand_as(state)


class DenseDetached(Dense):
    """No gradient flows from one call to the next."""

    def carried(self, state):
        return state.detach()


def test_a_right_one_is_not_red():
    """Red in shape.output, since the second layer's weights have not the sizes of torch's."""
    subject = subject_of(Dense)
    assert "connections of its own join its layers" in subject.read_as
    assert kill_of(subject, cases=8) is None


def test_one_layer_is_torchs_and_several_are_not():
    """From a case of one layer, the check of the options builds two: they have no parameters of torch's sizes."""
    case = Case(Config("GRU", 3, 4, batch_first=True), time=3, batch=2)
    assert judge(CATALOG["weights.flags"], Trial(subject_of(Dense), case)).status == "holds"


class InputAgain(nn.Module):
    """The second layer reads the input, and the first one's output is lost."""

    def __init__(self, input_size, hidden_size, num_layers=2):
        super().__init__()
        self.grus = nn.ModuleList(nn.GRU(input_size, hidden_size, batch_first=True) for _ in range(num_layers))

    def forward(self, x, states=None):
        states, last = [None] * len(self.grus) if states is None else states, []
        for gru, state in zip(self.grus, states, strict=True):
            output, state = gru(x, state)
            last.append(state)
        return output, last


@pytest.mark.parametrize("layer", [DenseOfTheFirstRow, DenseDetached, InputAgain])
def test_a_mistake_is_red(layer):
    assert kill_of(subject_of(layer), cases=12) is not None
