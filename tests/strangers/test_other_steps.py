"""A layer that returns another number of steps than it is given is refused, and the message says so."""

import pytest
from torch import nn

import rnncheck
from tests.effort import some
from tests.reading.refused import BatchOfOne, PyramidOfLengths


class Pyramid(nn.Module):
    """Two steps become one."""

    def __init__(self, input_dim, hidden_dim):
        super().__init__()
        self.blstm = nn.LSTM(2 * input_dim, hidden_dim, batch_first=True, bidirectional=True)

    def forward(self, x):
        b, t, d = x.shape
        return self.blstm(x[:, : t - t % 2].reshape(b, t // 2, 2 * d))[0]


class Strided(nn.Module):
    """A third of the steps."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.rnn = nn.GRU(n_in, n_out)

    def forward(self, x):
        return self.rnn(x[::3])[0]


class NodesGRUCell(nn.Module):
    """A cell on a graph, whose state has an axis of nodes, one for each feature of the input."""

    def __init__(self, num_nodes, out_channels):
        super().__init__()
        self.num_nodes, self.cell = num_nodes, nn.GRUCell(1, out_channels)

    def forward(self, X, H=None):
        H = X.new_zeros(len(X), self.num_nodes, self.cell.hidden_size) if H is None else H
        return self.cell(X.reshape(-1, 1), H.flatten(0, 1)).unflatten(0, X.shape)


def refusal(layer):
    with pytest.raises(rnncheck.UsageError) as told:
        rnncheck.verify(layer, properties="time.split", engine="inline", budget=100, max_examples=2)
    return str(told.value)


@pytest.mark.parametrize(("layer", "steps"), some([(Pyramid, 6), (PyramidOfLengths, 6), (Strided, 4)], 2))
def test_the_message_says_how_many_steps_come_back(layer, steps):
    assert f"it returns {steps} steps for 12, but a recurrent layer should return an output for each step" in refusal(layer)


def test_a_layer_with_each_step_is_refused_for_what_it_is():
    assert "steps for 12" not in refusal(BatchOfOne)


def test_a_state_with_an_axis_of_nodes_is_refused_and_not_judged_as_a_state_without_one():
    told = refusal(NodesGRUCell)
    assert "flatten what lies behind the batch axis, for a fixed number of nodes or pixels" in told
