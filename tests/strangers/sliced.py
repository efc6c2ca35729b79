"""A recurrence of its own whose gates are slices of one product, and the same with a slice that is taken twice."""

import torch
from torch import nn


class Sliced(nn.Module):
    """Gates with peepholes, in one matrix."""

    second = 1

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.W = nn.Parameter(torch.randn(input_size + hidden_size, 3 * hidden_size) * 0.3)
        self.peep = nn.Parameter(torch.randn(hidden_size) * 0.3)

    def forward(self, x, h=None):
        h = x.new_zeros(x.shape[1], self.hidden_size) if h is None else h
        size, outputs = self.hidden_size, []
        for step in x:
            product = torch.cat([step, h], -1) @ self.W
            keep = torch.sigmoid(product[:, :size] + self.peep * h)
            take = torch.sigmoid(product[:, self.second * size : (self.second + 1) * size])
            h = keep * h + take * torch.tanh(product[:, 2 * size :])
            outputs.append(h)
        return torch.stack(outputs), h


class SlicedTwice(Sliced):
    """Both gates are the first slice."""

    second = 0


class Independent(nn.Module):
    """Layers whose units see themselves alone, by a parameter with a row for each layer."""

    def __init__(self, input_size, hidden_size, num_layers=2):
        super().__init__()
        sizes = [input_size, *[hidden_size] * (num_layers - 1)]
        self.inputs = nn.ModuleList(nn.Linear(size, hidden_size) for size in sizes)
        self.u = nn.Parameter(torch.rand(num_layers, hidden_size) - 0.5)

    def row(self, layer):
        return self.u[layer]

    def forward(self, x):
        for layer, inner in enumerate(self.inputs):
            h, outputs = x.new_zeros(x.shape[1], self.u.shape[1]), []
            for step in inner(x):
                h = torch.tanh(step + self.row(layer) * h)
                outputs.append(h)
            x = torch.stack(outputs)
        return x


class FirstRowForAll(Independent):
    """All layers take the first row."""

    def row(self, layer):
        return self.u[0]
