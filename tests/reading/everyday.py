"""Right layers of everyday code, with their mistakes: what goes in and what comes back lie in different orders, or are two sequences."""

import torch
from torch import nn


class TimeInBatchOut(nn.Module):
    """(time, batch, features) in, and (batch, time, features) out."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell, self.hidden_size = nn.LSTMCell(input_size, hidden_size), hidden_size

    def began(self, x, state):
        return (x.new_zeros(x.shape[1], self.hidden_size),) * 2 if state is None else state

    def forward(self, x, state=None):
        (h, c), outputs = self.began(x, state), []
        for x_t in x:
            h, c = self.cell(x_t, (h, c))
            outputs.append(h)
        return torch.stack(outputs, 1), (h, c)


class TimeInBatchOutWrong(TimeInBatchOut):
    """The cell that is given is not used."""

    def began(self, x, state):
        h, c = super().began(x, state)
        return h, torch.zeros_like(c)


class Scores(nn.Module):
    """(time, batch, features) in, and a number for each step of each sequence out, (batch, time)."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.gru, self.out = nn.GRU(input_size, hidden_size), nn.Linear(hidden_size, 1)

    def forward(self, x):
        return self.out(self.gru(x)[0]).squeeze(-1).T


class ScoresWrong(Scores):
    """The scores of all steps add up to one."""

    def forward(self, x):
        return super().forward(x).softmax(1)


class Heads(nn.Module):
    """A state (batch, heads, features of a head): each head has a recurrence of its own."""

    def __init__(self, dim_in, dim, heads=2):
        super().__init__()
        assert dim % heads == 0
        self.heads, self.gates = heads, nn.Linear(dim_in, 2 * dim)
        self.back = nn.Parameter(torch.randn(heads, 2, dim // heads, dim // heads) * 0.3)

    def goes_on(self, h):
        return h

    def forward(self, x, state=None):
        gates = self.gates(x).unflatten(-1, (2, self.heads, -1))
        h, outputs = gates.new_zeros(gates[:, 0, 0].shape) if state is None else state, []
        for t in range(x.shape[1]):
            back = torch.einsum("bhd,hgde->gbhe", h, self.back)
            h = torch.lerp(h, torch.tanh(gates[:, t, 1] + back[1]), torch.sigmoid(gates[:, t, 0] + back[0]))
            outputs.append(h.flatten(1))
        return torch.stack(outputs, 1), self.goes_on(h)


class HeadsWrong(Heads):
    """The heads of the final state are exchanged."""

    def goes_on(self, h):
        return h.flip(1)


LAYERS = {
    Heads: ("(batch, time, features), state h, not looked at: hidden_size that is no multiple of 2", HeadsWrong),
    TimeInBatchOut: ("(time, batch, features), state (h, c), output (batch, time, features)", TimeInBatchOutWrong),
    Scores: ("output (batch, time, features), each output is a number", ScoresWrong),
}
"""Each right layer, with what is said of how it is read and with its mistakes."""
