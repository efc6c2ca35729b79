"""Sizes under other names, in other orders, and in config objects."""

from dataclasses import dataclass

import torch
from torch import nn


@dataclass
class LSTMConfig:
    vocab_dim: int = 3
    hidden_dim: int = 4
    forget_bias: float = 1.0


class ConfiguredLSTM(nn.Module):
    def __init__(self, config: LSTMConfig):
        super().__init__()
        self.config = config
        self.input_proj = nn.Linear(config.vocab_dim, 4 * config.hidden_dim, bias=False)
        self.state_proj = nn.Linear(config.hidden_dim, 4 * config.hidden_dim)
        with torch.no_grad():
            self.state_proj.bias[config.hidden_dim : 2 * config.hidden_dim].fill_(config.forget_bias)

    def forward(self, x, state=None):
        if state is None:
            state = tuple(x.new_zeros(x.shape[1], self.config.hidden_dim) for _ in range(2))
        h, c = state
        out = []
        for step in x:
            i, f, g, o = (self.input_proj(step) + self.state_proj(h)).chunk(4, -1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            out.append(h)
        return torch.stack(out), (h, c)


class ConfiguredLSTM1(ConfiguredLSTM):
    def forward(self, x, state=None):
        if state is None:
            state = tuple(x.new_zeros(x.shape[1], self.config.hidden_dim) for _ in range(2))
        h, c = state
        out = []
        for step in x:
            i, f, g, o = (self.input_proj(step) + self.state_proj(h)).chunk(4, -1)
            c = torch.sigmoid(f) * c + torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            out.append(h)
        return torch.stack(out), (h, c)


class ConfiguredLSTM2(ConfiguredLSTM):
    def forward(self, x, state=None):
        if state is None:
            state = tuple(x.new_zeros(x.shape[1], self.config.hidden_dim) for _ in range(2))
        h, c = state
        out = []
        for step in x:
            i, f, g, o = (self.input_proj(step) + self.state_proj(h)).chunk(4, -1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o + c) * torch.tanh(c)
            out.append(h)
        return torch.stack(out), (h, c)


class HiddenFirst(nn.Module):
    def __init__(self, hidden_size, input_size):
        super().__init__()
        self.cell = nn.RNNCell(input_size, hidden_size, nonlinearity="relu")

    def forward(self, x, h=None):
        ys = []
        for x_t in x:
            h = self.cell(x_t, h)
            ys.append(h)
        return torch.stack(ys), h


class HiddenFirst1(HiddenFirst):
    def forward(self, x, h=None):
        ys = []
        for x_t in x:
            h = self.cell(x_t, h if not ys else None)
            ys.append(h)
        return torch.stack(ys), h


class HiddenFirst2(HiddenFirst):
    def forward(self, x, h=None):
        ys = []
        for x_t in x.clamp_(-1, 1):
            h = self.cell(x_t, h)
            ys.append(h)
        return torch.stack(ys), h


class ModelDimGRU(nn.Module):
    """One width for everything, so that blocks can be stacked."""

    def __init__(self, d_model):
        super().__init__()
        self.d_model = d_model
        self.in_proj = nn.Linear(d_model, 3 * d_model)
        self.rec_proj = nn.Linear(d_model, 3 * d_model)

    def forward(self, x, state=None):
        # x: (B, L, D)
        h = x.new_zeros(x.size(0), self.d_model) if state is None else state
        u = self.in_proj(x)
        ys = []
        for l in range(x.size(1)):
            ur, uz, un = u[:, l].chunk(3, dim=-1)
            vr, vz, vn = self.rec_proj(h).chunk(3, dim=-1)
            r, z = (ur + vr).sigmoid(), (uz + vz).sigmoid()
            h = (1 - z) * (un + r * vn).tanh() + z * h
            ys.append(h)
        return torch.stack(ys, dim=1), h


class ModelDimGRU1(ModelDimGRU):
    def forward(self, x, state=None):
        # x: (B, L, D)
        h = x.new_zeros(x.size(0), self.d_model) if state is None else state
        u = self.in_proj(x.roll(-1, 1))
        ys = []
        for l in range(x.size(1)):
            ur, uz, un = u[:, l].chunk(3, dim=-1)
            vr, vz, vn = self.rec_proj(h).chunk(3, dim=-1)
            r, z = (ur + vr).sigmoid(), (uz + vz).sigmoid()
            h = (1 - z) * (un + r * vn).tanh() + z * h
            ys.append(h)
        return torch.stack(ys, dim=1), h


class ModelDimGRU2(ModelDimGRU):
    def forward(self, x, state=None):
        # x: (B, L, D)
        h = x.new_zeros(x.size(0), self.d_model) if state is None else state
        u = self.in_proj(x)
        ys = []
        for l in range(x.size(1)):
            ur, uz, un = u[:, l].chunk(3, dim=-1)
            vr, vz, vn = self.rec_proj(h).chunk(3, dim=-1)
            r, z = (ur + vr).sigmoid(), (uz + vz).sigmoid()
            h = (1 - z) * (un + r * vn).tanh() + z * h
            x.data[:, l] = h.data
            ys.append(h)
        return torch.stack(ys, dim=1), h


class RequiredExtras(nn.Module):
    def __init__(self, n_in, n_units, activation, dropout):
        super().__init__()
        self.n_units = n_units
        self.act = {"tanh": torch.tanh, "relu": torch.relu}[activation]
        self.drop = nn.Dropout(dropout)
        self.inp = nn.Linear(n_in, n_units)
        self.rec = nn.Linear(n_units, n_units)

    def forward(self, seq, h=None):
        if h is None:
            h = torch.zeros(seq.size(1), self.n_units, device=seq.device, dtype=seq.dtype)
        collected = []
        for frame in seq:
            h = self.act(self.inp(frame) + self.rec(h))
            collected.append(self.drop(h))
        return torch.stack(collected), h


class RequiredExtras1(RequiredExtras):
    def forward(self, seq, h=None):
        if h is None:
            h = torch.zeros(seq.size(1), self.n_units, device=seq.device, dtype=seq.dtype)
        collected = []
        for frame in seq:
            h = self.act(self.inp(frame) + self.rec(h))
            collected.append(nn.functional.dropout(h, self.drop.p))
        return torch.stack(collected), h


class RequiredExtras2(RequiredExtras):
    def forward(self, seq, h=None):
        if h is None:
            h = torch.zeros(seq.size(1), self.n_units, device=seq.device, dtype=seq.dtype)
        collected = []
        for frame in seq:
            h = torch.tanh(self.inp(frame) + self.rec(h))
            collected.append(self.drop(h))
        return torch.stack(collected), h


class FromDims(nn.Module):
    """dims = [features, first layer, second layer, ...]"""

    def __init__(self, dims):
        super().__init__()
        self.rnns = nn.ModuleList(nn.LSTM(a, b) for a, b in zip(dims, dims[1:], strict=False))

    def forward(self, x, states=None):
        new_states = []
        for k, rnn in enumerate(self.rnns):
            x, s = rnn(x, None if states is None else states[k])
            new_states.append(s)
        return x, new_states


class FromDims1(FromDims):
    def forward(self, x, states=None):
        new_states = []
        for k, rnn in enumerate(self.rnns):
            x, s = rnn(x, None if states is None or k else states[k])
            new_states.append(s)
        return x, new_states


class FromDims2(FromDims):
    def forward(self, x, states=None):
        new_states = []
        for k, rnn in enumerate(self.rnns):
            x, s = rnn(x, None if states is None else states[k])
            new_states.append(s if states is None else states[k])
        return x, new_states


class KeywordOnly(nn.Module):
    def __init__(self, *, in_channels, out_channels, bias=True, device=None, dtype=None):
        super().__init__()
        kw = {"bias": bias, "device": device, "dtype": dtype}
        self.gx = nn.Linear(in_channels, 3 * out_channels, **kw)
        self.gh = nn.Linear(out_channels, 3 * out_channels, **kw)

    def forward(self, x, *, hx=None):
        h = self.gx.weight.new_zeros(x.shape[1], self.gh.in_features) if hx is None else hx
        ys = []
        for gx in self.gx(x):
            (rx, zx, nx), (rh, zh, nh) = gx.chunk(3, -1), self.gh(h).chunk(3, -1)
            n = torch.tanh(nx + torch.sigmoid(rx + rh) * nh)
            h = n.lerp(h, torch.sigmoid(zx + zh))
            ys.append(h)
        return torch.stack(ys), h


class KeywordOnly1(KeywordOnly):
    def forward(self, x, *, hx=None):
        h = self.gx.weight.new_zeros(x.shape[1], self.gh.in_features) if hx is None else hx
        ys = []
        for gx in self.gx(x):
            (rx, zx, nx), (rh, zh, nh) = gx.chunk(3, -1), self.gh(h).chunk(3, -1)
            n = torch.sigmoid(nx + torch.sigmoid(rx + rh) * nh)
            h = n.lerp(h, torch.sigmoid(zx + zh))
            ys.append(h)
        return torch.stack(ys), h


class KeywordOnly2(KeywordOnly):
    def forward(self, x, *, hx=None):
        h = self.gx.weight.new_zeros(x.shape[1], self.gh.in_features) if hx is None else hx
        ys = []
        for gx in self.gx(x.transpose(0, 1).reshape(x.shape)):
            (rx, zx, nx), (rh, zh, nh) = gx.chunk(3, -1), self.gh(h).chunk(3, -1)
            n = torch.tanh(nx + torch.sigmoid(rx + rh) * nh)
            h = n.lerp(h, torch.sigmoid(zx + zh))
            ys.append(h)
        return torch.stack(ys), h


class OptRNN(nn.Module):
    """Takes what argparse gives."""

    def __init__(self, opt):
        super().__init__()
        self.rnn = getattr(nn, opt.rnn_type)(opt.input_size, opt.rnn_size, opt.num_layers, batch_first=True)

    def forward(self, feats, state=None):
        return self.rnn(feats, state)


class OptRNN1(OptRNN):
    def forward(self, feats, state=None):
        return self.rnn(feats - feats.mean(0, keepdim=True), state)


class OptRNN2(OptRNN):
    def forward(self, feats, state=None):
        return self.rnn(feats / feats.norm(dim=1, keepdim=True).clamp(min=1e-6), state)


class KerasStyleOptions(nn.Module):
    def __init__(self, input_dim, units, return_sequences=False, return_state=False, go_backwards=False):
        super().__init__()
        self.cell = nn.RNNCell(input_dim, units)
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards

    def forward(self, inputs, initial_state=None):
        if self.go_backwards:
            inputs = inputs.flip(1)
        state, outputs = initial_state, []
        for x in inputs.unbind(1):
            state = self.cell(x, state)
            outputs.append(state)
        output = torch.stack(outputs, 1) if self.return_sequences else state
        return (output, state) if self.return_state else output


class KerasStyleOptions1(KerasStyleOptions):
    def forward(self, inputs, initial_state=None):
        if self.go_backwards:
            inputs = inputs.flip(0)
        state, outputs = initial_state, []
        for x in inputs.unbind(1):
            state = self.cell(x, state)
            outputs.append(state)
        output = torch.stack(outputs, 1) if self.return_sequences else state
        return (output, state) if self.return_state else output


class KerasStyleOptions2(KerasStyleOptions):
    def forward(self, inputs, initial_state=None):
        if self.go_backwards:
            inputs = inputs.flip(1)
        state, outputs = None, []
        for x in inputs.unbind(1):
            state = self.cell(x, state)
            outputs.append(state)
        output = torch.stack(outputs, 1) if self.return_sequences else state
        return (output, state) if self.return_state else output
