"""Norms and shortcuts inside."""

import torch
import torch.nn as nn
from torch.nn.utils.parametrizations import weight_norm


class NormedGRU(nn.Module):
    def __init__(self, input_size, hidden_size, eps=1e-5):
        super().__init__()
        self.hidden_size = hidden_size
        self.x = nn.Linear(input_size, 3 * hidden_size, bias=False)
        self.h = nn.Linear(hidden_size, 3 * hidden_size, bias=False)
        self.norm_x = nn.LayerNorm(3 * hidden_size, eps=eps)
        self.norm_h = nn.LayerNorm(3 * hidden_size, eps=eps)

    def forward(self, input, hx=None):
        h = input.new_zeros(input.shape[1], self.hidden_size) if hx is None else hx[0]
        output = []
        for x in self.norm_x(self.x(input)):
            r, z, n = x.chunk(3, -1)
            hr, hz, hn = self.norm_h(self.h(h)).chunk(3, -1)
            z = (z + hz).sigmoid()
            n = (n + (r + hr).sigmoid() * hn).tanh()
            h = (1 - z) * n + z * h
            output.append(h)
        return torch.stack(output), h.unsqueeze(0)


class NormedGRU1(NormedGRU):
    def forward(self, input, hx=None):
        h = input.new_zeros(input.shape[1], self.hidden_size) if hx is None else hx[0]
        output = []
        for x in self.norm_x(self.x(input) - self.x(input).mean(1, keepdim=True)):
            r, z, n = x.chunk(3, -1)
            hr, hz, hn = self.norm_h(self.h(h)).chunk(3, -1)
            z = (z + hz).sigmoid()
            n = (n + (r + hr).sigmoid() * hn).tanh()
            h = (1 - z) * n + z * h
            output.append(h)
        return torch.stack(output), h.unsqueeze(0)


class NormedGRU2(NormedGRU):
    def forward(self, input, hx=None):
        h = input.new_zeros(input.shape[1], self.hidden_size) if hx is None else hx[0]
        output = []
        for x in self.norm_x(self.x(input) / self.x(input).std(0, keepdim=True, correction=0)):
            r, z, n = x.chunk(3, -1)
            hr, hz, hn = self.norm_h(self.h(h)).chunk(3, -1)
            z = (z + hz).sigmoid()
            n = (n + (r + hr).sigmoid() * hn).tanh()
            h = (1 - z) * n + z * h
            output.append(h)
        return torch.stack(output), h.unsqueeze(0)


class LayerNormLSTM(nn.Module):
    """Layer normalisation on the cell state and on each gate."""

    def __init__(self, n_inp, n_hid):
        super().__init__()
        self.i2h = nn.Linear(n_inp, 4 * n_hid)
        self.h2h = nn.Linear(n_hid, 4 * n_hid)
        self.ln = nn.ModuleList([nn.LayerNorm(n_hid) for _ in range(4)])
        self.ln_c = nn.LayerNorm(n_hid)

    def forward(self, x, state=None):
        if state is None:
            h = c = torch.zeros(x.shape[0], self.h2h.in_features, dtype=x.dtype, device=x.device)
        else:
            h, c = state
        hs = []
        for t in range(x.shape[1]):
            pre = (self.i2h(x[:, t]) + self.h2h(h)).chunk(4, dim=1)
            f, i, o, g = (ln(p) for ln, p in zip(self.ln, pre, strict=True))
            c = c * torch.sigmoid(f) + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(self.ln_c(c))
            hs.append(h)
        return torch.stack(hs, dim=1), (h, c)


class LayerNormLSTM1(LayerNormLSTM):
    def forward(self, x, state=None):
        if state is None:
            h = c = torch.zeros(x.shape[0], self.h2h.in_features, dtype=x.dtype, device=x.device)
        else:
            h, c = state
        hs = []
        for t in range(x.shape[1]):
            pre = (self.i2h(x[:, t]) + self.h2h(h)).chunk(4, dim=1)
            f, i, o, g = (ln(p) for ln, p in zip(self.ln, pre, strict=True))
            c = c * torch.sigmoid(f) + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(self.ln_c(c - c.mean(0)))
            hs.append(h)
        return torch.stack(hs, dim=1), (h, c)


class LayerNormLSTM2(LayerNormLSTM):
    def forward(self, x, state=None):
        if state is None:
            h = c = torch.zeros(x.shape[0], self.h2h.in_features, dtype=x.dtype, device=x.device)
        else:
            h, c = state
        hs = []
        for t in range(x.shape[1]):
            pre = (self.i2h(x[:, t]) + self.h2h(h)).chunk(4, dim=1)
            f, i, o, g = (ln(p) for ln, p in zip(self.ln, pre, strict=True))
            c = c * torch.sigmoid(f) + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(self.ln_c(c))
            hs.append(h)
        return torch.stack(hs, dim=1), (hs[0], c)


class ResidualLSTM(nn.Module):
    def __init__(self, dim, num_layers=2):
        super().__init__()
        self.layers = nn.ModuleList([nn.LSTM(dim, dim) for _ in range(num_layers)])

    def forward(self, x, states=None):
        if states is None:
            states = [None] * len(self.layers)
        out_states = []
        for lstm, state in zip(self.layers, states, strict=True):
            y, state = lstm(x, state)
            x = x + y
            out_states.append(state)
        return x, out_states


class ResidualLSTM1(ResidualLSTM):
    def forward(self, x, states=None):
        if states is None:
            states = [None] * len(self.layers)
        out_states = []
        for lstm, state in zip(self.layers, states, strict=True):
            y, state = lstm(x, state)
            x += y
            out_states.append(state)
        return x, out_states


class ResidualLSTM2(ResidualLSTM):
    def forward(self, x, states=None):
        if states is None:
            states = [None] * len(self.layers)
        out_states = []
        for lstm, state in zip(self.layers, states, strict=True):
            y, state = lstm(x, state)
            x = x + y
            out_states.insert(0, state)
        return x, out_states


class WeightNormRNN(nn.Module):
    def __init__(self, in_size, hid_size):
        super().__init__()
        self.inp = nn.Linear(in_size, hid_size)
        self.rec = weight_norm(nn.Linear(hid_size, hid_size, bias=False))
        self.hid_size = hid_size

    def forward(self, x, h=None):
        h = x.new_zeros(x.shape[1], self.hid_size) if h is None else h
        w = self.rec.weight
        ys = []
        for u in self.inp(x):
            h = torch.tanh(u + h @ w.T)
            ys.append(h)
        return torch.stack(ys), h


class WeightNormRNN1(WeightNormRNN):
    def forward(self, x, h=None):
        h = x.new_zeros(x.shape[1], self.hid_size) if h is None else h
        w = self.rec.parametrizations.weight.original1
        ys = []
        for u in self.inp(x):
            h = torch.tanh(u + h @ w.T)
            ys.append(h)
        return torch.stack(ys), h


class WeightNormRNN2(WeightNormRNN):
    def forward(self, x, h=None):
        h = x.new_zeros(x.shape[1], self.hid_size) if h is None else h
        w = self.rec.weight.detach()
        ys = []
        for u in self.inp(x):
            h = torch.tanh(u + h @ w.T)
            ys.append(h)
        return torch.stack(ys), h


class PreNormBlock(nn.Module):
    def __init__(self, d_model, expand=2):
        super().__init__()
        self.norm = nn.RMSNorm(d_model)
        self.rnn = nn.GRU(d_model, expand * d_model, batch_first=True)
        self.out = nn.Linear(expand * d_model, d_model, bias=False)

    def forward(self, x, cache=None):
        y, cache = self.rnn(self.norm(x), cache)
        return x + self.out(y), cache


class PreNormBlock1(PreNormBlock):
    def forward(self, x, cache=None):
        y, cache = self.rnn(self.norm(x) / (1 + x.abs().amax(1, keepdim=True)), cache)
        return x + self.out(y), cache


class PreNormBlock2(PreNormBlock):
    def forward(self, x, cache=None):
        y, cache = self.rnn(self.norm(x))
        return x + self.out(y), cache
