"""Layers that are given features at each node of a graph, and their mistakes."""

import torch
from torch import nn


class Diffused(nn.Module):
    """A graph GRU as for traffic, (batch, time, nodes, features), whose graph is learned."""

    def __init__(self, in_features, hidden, num_nodes):
        super().__init__()
        self.hidden = hidden
        self.graph = nn.Parameter(torch.eye(num_nodes) + 0.1 * torch.rand(num_nodes, num_nodes))
        self.gates, self.new = nn.Linear(in_features + hidden, 2 * hidden), nn.Linear(in_features + hidden, hidden)

    def forward(self, x, h=None):
        rows, _, nodes, _ = x.shape
        h, outputs = x.new_zeros(rows, nodes, self.hidden) if h is None else h, []
        for now in x.unbind(1):
            h = self.step(now, h)
            outputs.append(h)
        return torch.stack(outputs, 1), h

    def step(self, x, h):
        r, z = torch.sigmoid(self.gates(self.graph @ torch.cat([x, h], -1))).chunk(2, -1)
        return z * h + (1 - z) * torch.tanh(self.new(self.graph @ torch.cat([x, r * h], -1)))


class DiffusedOverRows(Diffused):
    """The nodes of all rows are normalised together."""

    def step(self, x, h):
        return super().step(x - x.mean((0, 1)), h)


class DiffusedFromZeros(Diffused):
    """The state that is given is not used."""

    def forward(self, x, h=None):
        return super().forward(x)


class DiffusedOverEdges(nn.Module):
    """One step, of which the edges are given in each call: forward(X, edge_index, H)."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.out_channels = out_channels
        self.keep, self.new = (nn.Linear(in_channels + out_channels, out_channels) for _ in range(2))

    def forward(self, X, edge_index, H=None):
        H = X.new_zeros(*X.shape[:2], self.out_channels) if H is None else H
        both = self.spread(torch.cat([X, H], -1), *edge_index)
        z = torch.sigmoid(self.keep(both))
        return z * H + (1 - z) * torch.tanh(self.new(both))

    def spread(self, values, first, second):
        return values + torch.zeros_like(values).index_add(1, second, values[:, first])


class DiffusedOverEdgesOfAll(DiffusedOverEdges):
    """The edges lead into the next row, too."""

    def spread(self, values, first, second):
        return super().spread(values + values.roll(1, 0), first, second)


class DiffusedOverEdgesCut(DiffusedOverEdges):
    """No gradient reaches earlier steps."""

    def forward(self, X, edge_index, H=None):
        return super().forward(X, edge_index, None if H is None else H.detach())


class DiffusedOver(Diffused):
    """The graph is given to the constructor."""

    def __init__(self, adj_mx, input_dim, rnn_units):
        super().__init__(input_dim, rnn_units, len(adj_mx))
        self.graph.requires_grad_(False).copy_(torch.as_tensor(adj_mx) / 2)


class DiffusedOverAndBack(DiffusedOver):
    """Steps are read from the last one on."""

    def forward(self, x, h=None):
        output, h = super().forward(x.flip(1), h)
        return output, h


NODES = "each feature at each of 6 nodes"
LAYERS = {
    Diffused: (f"(batch, time, features), state of 6 tensors or parts, {NODES}", DiffusedOverRows, DiffusedFromZeros),
    DiffusedOverEdges: (f"one step per call, state of 6 tensors or parts, {NODES}", DiffusedOverEdgesOfAll, DiffusedOverEdgesCut),
    DiffusedOver: (f"(batch, time, features), state of 6 tensors or parts, {NODES}", DiffusedOverAndBack),
}
"""What a reading says of each right layer, among other things; and its mistakes."""
