"""Right layers on which a property was red once, each for a reason of its own."""

import torch
from torch import nn


class OptionsOfItsOwn(nn.Module):
    """Its layers have a name of their own, beside batch_first; each unit has one recurrent weight."""

    def __init__(self, input_size, hidden_size, n_layer=2, batch_first=False):
        super().__init__()
        self.batch_first = batch_first
        self.inputs = nn.ModuleList(nn.Linear(hidden_size if k else input_size, hidden_size) for k in range(n_layer))
        self.weights = nn.Parameter(torch.rand(n_layer, hidden_size))

    def forward(self, x, hidden=None):
        x = x.transpose(0, 1) if self.batch_first else x
        hidden = x.new_zeros(len(self.inputs), x.size(1), self.weights.size(1)) if hidden is None else hidden
        last = []
        for linear, weight, h in zip(self.inputs, self.weights, hidden, strict=True):
            x, steps = linear(x), []
            for x_t in x:
                h = torch.relu(x_t + weight * h)
                steps.append(h)
            x = torch.stack(steps)
            last.append(h)
        return x.transpose(0, 1) if self.batch_first else x, torch.stack(last)


class SumsOverAxisOne(nn.Module):
    """A gated sum over the second axis, that of time: input without a batch axis is summed over its features."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.to_value_and_gate = nn.Linear(input_size, 2 * hidden_size)

    def forward(self, x):
        value, gate = self.to_value_and_gate(x).chunk(2, dim=-1)
        return (value.tanh() * gate.sigmoid()).cumsum(dim=1)
