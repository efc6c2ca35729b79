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


LAYERS = {
    TimeInBatchOut: ("(time, batch, features), state (h, c), output (batch, time, features)", TimeInBatchOutWrong),
    Scores: ("output (batch, time, features), each output is a number", ScoresWrong),
}
"""Each right layer, with what is said of how it is read and with its mistakes."""
