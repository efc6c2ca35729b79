"""Layers that differ in one argument, or one result, from those of the other files."""

import torch
from torch import nn

from tests.reading.courses import AskedForItsState
from tests.reading.public_layers import GraphGRU


class AsksFirst(AskedForItsState):
    """The option that asks for the state stands before the state."""

    def forward(self, x, return_state=False, prev_hidden=None):
        return super().forward(x, prev_hidden, return_state)


class AsksAndForgets(AsksFirst):
    """The state that is given has no effect on several steps."""

    def at_once(self, values, kept, prev_hidden):
        return super().at_once(values, kept, None)


class BiasGiven(nn.Module):
    """A bias may be given as a tensor; there is no option to leave it out."""

    def __init__(self, input_size, hidden_size, bias=None):
        super().__init__()
        self.rnn = nn.RNN(input_size, hidden_size, bias=False)
        self.bias = nn.Parameter(torch.zeros(hidden_size) if bias is None else bias)

    def forward(self, x, h=None):
        output, h = self.rnn(x, h)
        return self.moved(output), h

    def moved(self, output):
        return output + self.bias


class BiasOfAll(BiasGiven):
    """The mean of all rows is taken off the output."""

    def moved(self, output):
        return super().moved(output - output.mean(1, keepdim=True))


class OneTensorOfBothWays(nn.Module):
    """h and c of both directions in one tensor."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.lstm = nn.LSTM(input_size, hidden_size, bidirectional=True)

    def forward(self, x, state=None):
        output, (h, c) = self.lstm(x, None if state is None else tuple(state.chunk(2)))
        return output, torch.cat([self.turned(h), c])

    def turned(self, h):
        return h


class OneTensorTurned(OneTensorOfBothWays):
    """The h of the two directions are exchanged."""

    def turned(self, h):
        return h.flip(0)


class HeadOfItsWays(nn.Module):
    """A classifier of the last states of one direction, or of two, as by default."""

    def __init__(self, input_size, hidden_size, output_size, bidirectional=True):
        super().__init__()
        self.rnn = nn.GRU(input_size, hidden_size, bidirectional=bidirectional)
        self.head = nn.Linear(hidden_size * (1 + bidirectional), output_size)

    def forward(self, x):
        return self.head(torch.cat([*self.rnn(x)[1]], -1))


class HeadOfOneWay(HeadOfItsWays):
    """One direction by default."""

    def __init__(self, input_size, hidden_size, output_size, bidirectional=False):
        super().__init__(input_size, hidden_size, output_size, bidirectional)


class HeadOfAll(HeadOfItsWays):
    """Rows are mixed."""

    def forward(self, x):
        return super().forward(x - x.mean(1, keepdim=True))


class HeadOfAllInOneWay(HeadOfOneWay):
    """Rows are mixed."""

    def forward(self, x):
        return super().forward(x - x.mean(1, keepdim=True))


class GraphOfNodes(GraphGRU):
    """The number of nodes, which the graph has as well, must be given."""

    def __init__(self, adj, num_nodes, hidden_dim):
        super().__init__(adj, hidden_dim)
        assert len(adj) == num_nodes


class GraphOfAllNodes(GraphOfNodes):
    """The nodes of all rows are made one graph."""

    def spread(self, both):
        return super().spread(both + 0.1 * both.roll(1, 0))


class ALoopOfItsOwn(nn.Module):
    """The last state of a loop over the steps."""

    begins = 0

    def __init__(self, in_features, hidden):
        super().__init__()
        self.x, self.h = nn.Linear(in_features, hidden), nn.Linear(hidden, hidden)

    def forward(self, x):
        h = x.new_zeros(len(x), self.h.in_features)
        for t in range(self.begins, x.shape[1]):
            h = torch.tanh(self.x(x[:, t]) + self.h(h))
        return h


class BeginsWithTheSecond(ALoopOfItsOwn):
    """The first step is left out."""

    begins = 1


LAYERS = {
    AsksFirst: ("(batch, time, features), state h, with return_state", AsksAndForgets),
    BiasGiven: ("(time, batch, features), state h", BiasOfAll),
    OneTensorOfBothWays: ("(time, batch, features), state (h, c), two directions", OneTensorTurned),
    HeadOfItsWays: ("returns only the last output, not looked at: bidirectional other than True", HeadOfAll),
    HeadOfOneWay: ("(time, batch, features), no state comes back, returns only the last output", HeadOfAllInOneWay),
    ALoopOfItsOwn: ("(batch, time, features), no state comes back, returns only the last output", BeginsWithTheSecond),
    GraphOfNodes: ("2 axes of features as one, returns only the last output", GraphOfAllNodes),
}
"""Each right layer, with what is said of how it is read and with its mistakes."""
