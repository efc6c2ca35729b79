"""Layers that return no state."""

import torch
import torch.nn.functional as F
from torch import nn


class OutputsOnlyLSTM(nn.Module):
    """Sequence in, sequence out."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.ih = nn.Linear(input_size, 4 * hidden_size)
        self.hh = nn.Linear(hidden_size, 4 * hidden_size, bias=False)

    def forward(self, x):
        h = c = x.new_zeros(x.shape[1], self.hh.in_features)
        outputs = []
        for x_t in self.ih(x):
            f, i, o, g = (x_t + self.hh(h)).chunk(4, dim=1)
            c = c * f.sigmoid() + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            outputs.append(h)
        return torch.stack(outputs)


class OutputsOnlyLSTM1(OutputsOnlyLSTM):
    def forward(self, x):
        h = c = x.new_zeros(x.shape[1], self.hh.in_features)
        outputs = []
        for x_t in self.ih(x + x.mean(0, keepdim=True)):
            f, i, o, g = (x_t + self.hh(h)).chunk(4, dim=1)
            c = c * f.sigmoid() + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            outputs.append(h)
        return torch.stack(outputs)


class OutputsOnlyLSTM2(OutputsOnlyLSTM):
    def forward(self, x):
        h = c = x.new_zeros(x.shape[1], self.hh.in_features)
        outputs = []
        for x_t in self.ih(x):
            f, i, o, g = (x_t + self.hh(h)).chunk(4, dim=1)
            c = c * f.sigmoid() + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            outputs.append(c)
        return torch.stack(outputs)


class SentenceGRU(nn.Module):
    """Encodes a sentence into its last hidden state."""

    def __init__(self, embed_dim, rnn_dim):
        super().__init__()
        self.gru = nn.GRU(embed_dim, rnn_dim, batch_first=True)

    def forward(self, sentence):
        output, _ = self.gru(sentence)
        return output[:, -1]


class SentenceGRU1(SentenceGRU):
    def forward(self, sentence):
        output, _ = self.gru(sentence)
        return output[-1]


class SentenceGRU2(SentenceGRU):
    def forward(self, sentence):
        output, _ = self.gru(sentence)
        return output[:, 0]


class ElmanBlock(nn.Module):
    def __init__(self, channels_in: int, channels_out: int):
        super().__init__()
        self.inp = nn.Linear(channels_in, channels_out)
        self.rec = nn.Linear(channels_out, channels_out, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, t, _ = x.shape
        y = []
        drive = self.inp(x)
        h = torch.zeros_like(drive[:, 0])
        for k in range(t):
            h = F.relu(drive[:, k] + self.rec(h))
            y.append(h)
        return torch.stack(y, dim=1)


class ElmanBlock1(ElmanBlock):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, t, _ = x.shape
        y = []
        drive = self.inp(x)
        h = torch.zeros_like(drive[:, 0])
        for k in range(t):
            h = F.relu(drive[:, t - 1 - k] + self.rec(h))
            y.append(h)
        return torch.stack(y, dim=1)


class ElmanBlock2(ElmanBlock):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, t, _ = x.shape
        y = []
        drive = self.inp(x)
        h = torch.zeros_like(drive[:, 0])
        if getattr(self, "h", None) is not None and self.h.shape == h.shape:
            h = self.h
        for k in range(t):
            h = F.relu(drive[:, k] + self.rec(h))
            y.append(h)
        self.h = h.detach()
        return torch.stack(y, dim=1)


class LastStateOnly(nn.Module):
    """A forecaster's encoder: (time, batch, features) -> (batch, hidden)."""

    def __init__(self, n_features, n_hidden):
        super().__init__()
        self.cell = nn.LSTMCell(n_features, n_hidden)

    def forward(self, window):
        state = None
        for observation in window:
            state = self.cell(observation, state)
        return state[0]


class LastStateOnly1(LastStateOnly):
    def forward(self, window):
        state = None
        for observation in window:
            state = self.cell(observation, state)
        return state[1]


class LastStateOnly2(LastStateOnly):
    def forward(self, window):
        state = None
        for observation in window:
            state = self.cell(observation)
        return state[0]


class ListOfOutputs(nn.Module):
    def __init__(self, in_size, out_size):
        super().__init__()
        self.lin = nn.Linear(in_size + out_size, out_size)

    def forward(self, xs, h=None):
        """xs: a list of (batch, in_size), one a step; returns a list too"""
        hs = []
        for x in xs:
            if h is None:
                h = x.new_zeros(len(x), self.lin.out_features)
            h = torch.tanh(self.lin(torch.cat([x, h], -1)))
            hs.append(h)
        return hs


class ListOfOutputs1(ListOfOutputs):
    def forward(self, xs, h=None):
        """xs: a list of (batch, in_size), one a step; returns a list too"""
        hs = []
        for x in xs:
            if h is None:
                h = x.new_zeros(len(x), self.lin.out_features)
            hs.append(torch.tanh(self.lin(torch.cat([x, h], -1))))
        return hs


class ListOfOutputs2(ListOfOutputs):
    def forward(self, xs, h=None):
        """xs: a list of (batch, in_size), one a step; returns a list too"""
        hs = []
        for x in [xs[0], *xs[:-1]]:
            if h is None:
                h = x.new_zeros(len(x), self.lin.out_features)
            h = torch.tanh(self.lin(torch.cat([x, h], -1)))
            hs.append(h)
        return hs


class OneSequence(nn.Module):
    """A single sequence: (time, features)."""

    def __init__(self, n, m):
        super().__init__()
        self.Wx = nn.Parameter(torch.randn(m, n) * 0.3)
        self.Wh = nn.Parameter(torch.randn(m, m) * 0.3)
        self.b = nn.Parameter(torch.zeros(m))

    def forward(self, x, h=None):
        if h is None:
            h = torch.zeros_like(self.b)
        ys = []
        for v in x:
            h = torch.tanh(self.Wx @ v + self.Wh @ h + self.b)
            ys.append(h)
        return torch.stack(ys), h


class OneSequence1(OneSequence):
    def forward(self, x, h=None):
        if h is None:
            h = torch.zeros_like(self.b)
        ys = []
        for v in x:
            h = torch.tanh(self.Wx @ v + self.Wh @ h + self.b)
            ys.append(h)
        return torch.stack(ys), ys[0]


class OneSequence2(OneSequence):
    def forward(self, x, h=None):
        if h is None:
            h = torch.zeros_like(self.b)
        ys = []
        for v in x.cumsum(0).flip(0):
            h = torch.tanh(self.Wx @ v + self.Wh @ h + self.b)
            ys.append(h)
        return torch.stack(ys), h
