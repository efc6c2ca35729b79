"""Targets as people write them: what the tests of the adapters point at."""

import torch
from torch import nn


class FourLinears(nn.Module):
    """A correct LSTM: a linear a gate, names of its own, batch-major without saying so."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.forget, self.write, self.candidate, self.out = (nn.Linear(input_size + hidden_size, hidden_size) for _ in "fico")

    def forward(self, x, state=None):
        batch, time, _ = x.shape
        h, c = (x.new_zeros(batch, self.hidden_size),) * 2 if state is None else (state[0][0], state[1][0])
        outputs = []
        for t in range(time):
            z = torch.cat([x[:, t], h], 1)
            c = self.forget(z).sigmoid() * c + self.write(z).sigmoid() * self.candidate(z).tanh()
            h = self.out(z).sigmoid() * c.tanh()
            outputs.append(h)
        return torch.stack(outputs, 1), (h[None], c[None])


class TextbookGRU(nn.Module):
    """A correct GRU of Cho et al.: the reset gate before the product."""

    def __init__(self, input_dim, hidden_dim, bias=True):
        super().__init__()
        self.hidden_dim = hidden_dim
        self.x2h, self.h2h = nn.Linear(input_dim, 3 * hidden_dim, bias), nn.Linear(hidden_dim, 3 * hidden_dim, bias)

    def forward(self, x, h0=None):
        h = x.new_zeros(x.shape[1], self.hidden_dim) if h0 is None else h0[0]
        u, b = self.h2h.weight, torch.zeros(()) if self.h2h.bias is None else self.h2h.bias
        rows, outputs = 2 * self.hidden_dim, []
        for a in self.x2h(x):
            recurrent = h @ u[:rows].T + (b[:rows] if b.dim() else b)
            r, z = (a[..., :rows] + recurrent).sigmoid().chunk(2, -1)
            n = (a[..., rows:] + (r * h) @ u[rows:].T + (b[rows:] if b.dim() else b)).tanh()
            h = (1 - z) * n + z * h
            outputs.append(h)
        return torch.stack(outputs), h[None]


class OtherOrder(nn.Module):
    """A correct LSTM that stacks its gates as i f o g, takes lengths before hx, and lets ** swallow the rest."""

    def __init__(self, input_size, hidden_size, num_layers=1, batch_first=True, **kwargs):
        super().__init__()
        if num_layers > 1:
            raise NotImplementedError("one layer only")
        self.hidden_size, self.batch_first = hidden_size, batch_first
        self.i2h, self.h2h = nn.Linear(input_size, 4 * hidden_size), nn.Linear(hidden_size, 4 * hidden_size)

    def forward(self, x, lengths=None, hx=None):
        x = x.transpose(0, 1) if self.batch_first else x
        time, batch, _ = x.shape
        h, c = (x.new_zeros(batch, self.hidden_size),) * 2 if hx is None else (hx[0][0], hx[1][0])
        inside = torch.full((batch,), time) if lengths is None else lengths
        outputs = []
        for t in range(time):
            i, f, o, g = (self.i2h(x[t]) + self.h2h(h)).chunk(4, -1)
            new_c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            new_h = o.sigmoid() * new_c.tanh()
            on = (t < inside)[:, None]
            h, c = torch.where(on, new_h, h), torch.where(on, new_c, c)
            outputs.append(torch.where(on, new_h, 0.0))
        y = torch.stack(outputs)
        return (y.transpose(0, 1) if self.batch_first else y), (h[None], c[None])


class OnlyOutput(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.rnn = nn.GRU(input_size, hidden_size)

    def forward(self, x):
        return self.rnn(x)[0]


class StateNeeded(nn.Module):
    """hx has no default."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.rnn = nn.GRU(input_size, hidden_size)

    def forward(self, x, hidden):
        return self.rnn(x, hidden)


class FlatStates(nn.Module):
    """A batch-major GRU of one layer whose state is (batch, hidden), as many write it; the initial one has to be given."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell = nn.GRUCell(input_size, hidden_size)

    def forward(self, x, h):
        outputs = []
        for step in x.unbind(1):
            h = self.cell(step, h)
            outputs.append(h)
        return torch.stack(outputs, 1), h


class FailsInside(nn.LSTM):
    """Takes bidirectional, and fails with it; raises on packed input only if it is bidirectional."""

    def __init__(self, input_size, hidden_size, num_layers=1, bidirectional=False):
        super().__init__(input_size, hidden_size, num_layers, bidirectional=bidirectional)

    def forward(self, input, hx=None):
        if self.bidirectional:
            raise RuntimeError("not yet")
        return super().forward(input, hx)


class RefusesAll(nn.Module):
    def __init__(self, vocabulary, tagger):
        raise ValueError("not today")


class NeedsVocabulary(nn.Module):
    def __init__(self, vocabulary, embedding, layers):
        super().__init__()


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5, 4)
        self.encoder = nn.Module()
        self.encoder.rnn = nn.LSTM(4, 3, 2, batch_first=True, bidirectional=True, dropout=0.1)
        self.own = FourLinears(4, 3)
        self.textbook = TextbookGRU(4, 3)
        self.cell = nn.GRUCell(4, 3)


class NoForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.zeros(3, 2)), nn.Parameter(torch.zeros(3))


model = Model()
no_forward = NoForward()
number = 3


def major_gru(input_size, hidden_size):
    """A factory of a batch-major layer that cannot be told so."""
    return nn.GRU(input_size, hidden_size, batch_first=True)


def weight_normed(*sizes, **options):
    layer = nn.LSTM(*sizes, **options)
    for name in [name for name, _ in layer.named_parameters() if name.startswith("weight_hh")]:
        torch.nn.utils.parametrizations.weight_norm(layer, name)
    return layer


def my_clip(parameters, max_norm):
    return torch.nn.utils.clip_grad_norm_(parameters, max_norm)
