"""Layers with one matrix over the input and the state together."""
# ruff: noqa: UP008

import torch
import torch.nn as nn
import torch.nn.functional as F


class CatLSTM(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.gates = nn.Linear(input_size + hidden_size, 4 * hidden_size)

    def forward(self, x, state=None):
        if state is None:
            h = x.new_zeros(x.size(1), self.hidden_size)
            c = x.new_zeros(x.size(1), self.hidden_size)
        else:
            h, c = state[0].squeeze(0), state[1].squeeze(0)
        outputs = []
        for x_t in x:
            i, f, o, g = self.gates(torch.cat([x_t, h], dim=-1)).chunk(4, dim=-1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            outputs.append(h)
        return torch.stack(outputs), (h.unsqueeze(0), c.unsqueeze(0))


class CatLSTM1(CatLSTM):
    def forward(self, x, state=None):
        if state is None:
            h = x.new_zeros(x.size(1), self.hidden_size)
            c = x.new_zeros(x.size(1), self.hidden_size)
        else:
            h, c = state[0].squeeze(0), state[1].squeeze(0)
        outputs = []
        for x_t in x:
            i, f, o, g = self.gates(torch.cat([x_t, h], dim=-1)).chunk(4, dim=-1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.sigmoid(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            outputs.append(h)
        return torch.stack(outputs), (h.unsqueeze(0), c.unsqueeze(0))


class CatLSTM2(CatLSTM):
    def forward(self, x, state=None):
        if state is None:
            h = x.new_zeros(x.size(1), self.hidden_size)
            c = x.new_zeros(x.size(1), self.hidden_size)
        else:
            h, c = state[0].squeeze(0), state[1].squeeze(0)
        outputs = []
        for x_t in x:
            last = c
            i, f, o, g = self.gates(torch.cat([x_t, h], dim=-1)).chunk(4, dim=-1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            outputs.append(h)
        return torch.stack(outputs), (h.unsqueeze(0), last.unsqueeze(0))


class StateFirstGRU(nn.Module):
    """Gated recurrent unit, hidden state in front."""

    def __init__(self, n_in, n_hidden):
        super().__init__()
        self.n_hidden = n_hidden
        self.zr = nn.Linear(n_hidden + n_in, 2 * n_hidden)
        self.cand = nn.Linear(n_hidden + n_in, n_hidden)

    def forward(self, inputs, h=None):
        batch, steps, _ = inputs.shape
        if h is None:
            h = torch.zeros(batch, self.n_hidden, dtype=inputs.dtype, device=inputs.device)
        hs = []
        for t in range(steps):
            x = inputs[:, t]
            z, r = self.zr(torch.cat((h, x), 1)).sigmoid().split(self.n_hidden, 1)
            n = self.cand(torch.cat((r * h, x), 1)).tanh()
            h = z * h + (1 - z) * n
            hs.append(h)
        return torch.stack(hs, 1), h


class StateFirstGRU1(StateFirstGRU):
    def forward(self, inputs, h=None):
        batch, steps, _ = inputs.shape
        if h is None:
            h = torch.zeros(batch, self.n_hidden, dtype=inputs.dtype, device=inputs.device)
        hs = []
        for t in range(steps):
            x = inputs[:, t]
            z, r = self.zr(torch.cat((h, x), 1)).sigmoid().split(self.n_hidden, 1)
            n = self.cand(torch.cat((h, x), 1)).tanh()
            h = z * h + (1 - z) * n
            hs.append(h)
        return torch.stack(hs, 1), h


class StateFirstGRU2(StateFirstGRU):
    def forward(self, inputs, h=None):
        batch, steps, _ = inputs.shape
        h = torch.zeros(batch, self.n_hidden, dtype=inputs.dtype, device=inputs.device)
        hs = []
        for t in range(steps):
            x = inputs[:, t]
            z, r = self.zr(torch.cat((h, x), 1)).sigmoid().split(self.n_hidden, 1)
            n = self.cand(torch.cat((r * h, x), 1)).tanh()
            h = z * h + (1 - z) * n
            hs.append(h)
        return torch.stack(hs, 1), h


class OldRNN(nn.Module):
    def __init__(self, input_size, hidden_size):
        super(OldRNN, self).__init__()

        self.hidden_size = hidden_size
        self.i2h = nn.Linear(input_size + hidden_size, hidden_size)

    def forward(self, input, hidden):
        outputs = []
        for i in range(input.size(0)):
            combined = torch.cat((input[i], hidden), 1)
            hidden = F.tanh(self.i2h(combined))
            outputs.append(hidden)
        output = torch.cat(outputs).view(input.size(0), input.size(1), self.hidden_size)
        return output, hidden

    def init_hidden(self, batch_size):
        weight = next(self.parameters())
        return weight.new_zeros(batch_size, self.hidden_size)


class OldRNN1(OldRNN):
    def forward(self, input, hidden):
        outputs = []
        for i in range(input.size(0)):
            combined = torch.cat((input[i], hidden.data), 1)
            hidden = F.tanh(self.i2h(combined))
            outputs.append(hidden)
        output = torch.cat(outputs).view(input.size(0), input.size(1), self.hidden_size)
        return output, hidden


class OldRNN2(OldRNN):
    def forward(self, input, hidden):
        outputs = []
        for i in range(input.size(0)):
            combined = torch.cat((input[i], hidden), 1)
            hidden = F.tanh(self.i2h(combined))
            outputs.append(hidden)
        output = torch.cat(outputs).view(input.size(1), input.size(0), self.hidden_size).transpose(0, 1)
        return output, hidden


class PlainTanh(nn.Module):
    """No word of what it is: h' = tanh(W [h; x])."""

    def __init__(self, n_x, n_h, bias=True):
        super().__init__()
        self.W = nn.Parameter(torch.randn(n_h, n_h + n_x) / (n_h + n_x) ** 0.5)
        self.b = nn.Parameter(torch.zeros(n_h)) if bias else None

    def forward(self, xs, h0=None):
        h = xs.new_zeros(xs.shape[1], self.W.shape[0]) if h0 is None else h0[0]
        ys = [h := torch.tanh(F.linear(torch.cat([h, x], -1), self.W, self.b)) for x in xs]
        return torch.stack(ys), h[None]


class PlainTanh1(PlainTanh):
    def forward(self, xs, h0=None):
        h = xs.new_zeros(xs.shape[1], self.W.shape[0]) if h0 is None else h0[0]
        ys = [h := torch.tanh(F.linear(torch.cat([h, x], -1), self.W, self.b)) for x in xs.flip(0)]
        return torch.stack(ys), h[None]


class PlainTanh2(PlainTanh):
    def forward(self, xs, h0=None):
        h = xs.new_zeros(xs.shape[1], self.W.shape[0]) if h0 is None else h0[0]
        ys = [h := torch.sigmoid(F.linear(torch.cat([h, x], -1), self.W, self.b)) for x in xs]
        return torch.stack(ys), h[None]
