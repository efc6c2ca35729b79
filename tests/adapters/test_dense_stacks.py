"""A stack whose layers read more than the output below is no stack of torch's, and is judged by what its own calls give."""

import pytest
import torch
from torch import nn

from tests.strangers.hunted import kill_of, subject_of


class Dense(nn.Module):
    """Each layer reads the input and the outputs of all layers below."""

    def __init__(self, input_size, hidden_size, num_layers=2):
        super().__init__()
        sizes = [input_size + layer * hidden_size for layer in range(num_layers)]
        self.grus = nn.ModuleList(nn.GRU(size, hidden_size, batch_first=True) for size in sizes)

    def forward(self, x, states=None):
        states, last = [None] * len(self.grus) if states is None else states, []
        for gru, state in zip(self.grus, states, strict=True):
            output, state = gru(x, state)
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


@pytest.mark.parametrize("layer", [DenseOfTheFirstRow, DenseDetached])
def test_a_mistake_is_red(layer):
    assert kill_of(subject_of(layer), cases=12) is not None
