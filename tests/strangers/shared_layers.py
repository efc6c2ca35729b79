"""Stacks whose layers have parameters of their own, and such whose layers are one module."""

import torch
from torch import nn


class OneForEach(nn.Module):
    """Residual layers."""

    def __init__(self, dim, num_layers=2):
        super().__init__()
        self.layers = nn.ModuleList(self.made(dim, num_layers))

    def made(self, dim, layers):
        return [nn.GRU(dim, dim) for _ in range(layers)]

    def forward(self, x):
        for one in self.layers:
            x = x + one(x)[0]
        return x


class OneForAll(OneForEach):
    """Every layer is the first one."""

    def made(self, dim, layers):
        return [nn.GRU(dim, dim)] * layers


class Cells(nn.Module):
    """A stack of cells."""

    def __init__(self, input_size, hidden_size, num_layers=1):
        super().__init__()
        self.cells = nn.ModuleList([nn.GRUCell(input_size, hidden_size), *self.above(hidden_size, num_layers - 1)])

    def above(self, size, layers):
        return [nn.GRUCell(size, size) for _ in range(layers)]

    def forward(self, x, h=None):
        states = list(x.new_zeros(len(self.cells), x.shape[1], self.cells[0].hidden_size) if h is None else h)
        outputs = []
        for step in x:
            for k, cell in enumerate(self.cells):
                states[k] = step = cell(step, states[k])
            outputs.append(step)
        return torch.stack(outputs), torch.stack(states)


class OneCellAbove(Cells):
    """All cells above the first are one."""

    def above(self, size, layers):
        return [nn.GRUCell(size, size)] * layers
