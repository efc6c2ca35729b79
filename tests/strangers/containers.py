"""States and results in dicts, dataclasses and named tuples."""
# ruff: noqa: UP045

from collections import namedtuple
from dataclasses import dataclass
from typing import NamedTuple, Optional

import torch
from torch import Tensor, nn

LSTMState = namedtuple("LSTMState", ["hx", "cx"])


class NamedStateLSTM(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.weight_ih = nn.Parameter(torch.randn(4 * hidden_size, input_size) * 0.4)
        self.weight_hh = nn.Parameter(torch.randn(4 * hidden_size, hidden_size) * 0.4)
        self.bias_ih = nn.Parameter(torch.randn(4 * hidden_size) * 0.1)
        self.bias_hh = nn.Parameter(torch.randn(4 * hidden_size) * 0.1)

    def step(self, input, state):
        hx, cx = state
        gates = torch.mm(input, self.weight_ih.t()) + self.bias_ih + torch.mm(hx, self.weight_hh.t()) + self.bias_hh
        ingate, forgetgate, cellgate, outgate = gates.chunk(4, 1)
        cy = forgetgate.sigmoid() * cx + ingate.sigmoid() * cellgate.tanh()
        return LSTMState(outgate.sigmoid() * cy.tanh(), cy)

    def forward(self, input, state: Optional[LSTMState] = None):
        if state is None:
            zeros = input.new_zeros(input.shape[1], self.weight_hh.shape[1])
            state = LSTMState(zeros, zeros)
        outputs = []
        for x in input:
            state = self.step(x, state)
            outputs.append(state.hx)
        return torch.stack(outputs), state


class NamedStateLSTM1(NamedStateLSTM):
    def step(self, input, state):
        hx, cx = state
        gates = torch.mm(input, self.weight_ih.t()) + self.bias_ih + torch.mm(hx, self.weight_hh.t()) + self.bias_hh
        ingate, forgetgate, cellgate, outgate = gates.chunk(4, 1)
        cy = forgetgate.sigmoid() * cx + ingate.sigmoid() * cellgate.tanh()
        return LSTMState(cy, outgate.sigmoid() * cy.tanh())


class NamedStateLSTM2(NamedStateLSTM):
    def step(self, input, state):
        hx, cx = state
        gates = torch.mm(input, self.weight_ih.t()) + self.bias_ih + torch.mm(hx, self.weight_hh.t()) + self.bias_hh
        ingate, forgetgate, cellgate, outgate = gates.chunk(4, 1)
        cy = forgetgate.sigmoid() * cx + ingate.sigmoid() * cellgate
        return LSTMState(outgate.sigmoid() * cy.tanh(), cy)


class DictStateGRU(nn.Module):
    def __init__(self, in_dim, out_dim):
        super().__init__()
        self.cell = nn.GRUCell(in_dim, out_dim)

    def initial_state(self, batch_size):
        w = self.cell.weight_hh
        return {"h": torch.zeros(batch_size, self.cell.hidden_size, dtype=w.dtype, device=w.device)}

    def forward(self, x, state=None):
        if state is None:
            state = self.initial_state(x.shape[0])
        h = state["h"]
        outs = []
        for t in range(x.shape[1]):
            h = self.cell(x[:, t], h)
            outs.append(h)
        return torch.stack(outs, dim=1), {"h": h}


class DictStateGRU1(DictStateGRU):
    def forward(self, x, state=None):
        if state is None:
            state = self.initial_state(x.shape[0])
        h = state["h"]
        outs = []
        for t in range(x.shape[1]):
            h = self.cell(x[:, t], h)
            outs.append(h)
        return torch.stack(outs, dim=1), {"h": h, **state}


class DictStateGRU2(DictStateGRU):
    def initial_state(self, batch_size):
        w = self.cell.weight_hh
        return {"h": torch.zeros(batch_size, self.cell.hidden_size, device=w.device)}


@dataclass
class Trace:
    outputs: Tensor
    hidden: Tensor
    cell: Tensor
    forget_gates: Tensor


class TracedLSTM(nn.Module):
    """Returns what its forget gate did beside everything else."""

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        self.hidden_size = hidden_size
        self.from_input = nn.Linear(input_size, 4 * hidden_size)
        self.from_hidden = nn.Linear(hidden_size, 4 * hidden_size)

    def forward(self, inputs: Tensor, hidden: Tensor | None = None, cell: Tensor | None = None) -> Trace:
        hidden = inputs.new_zeros(inputs.size(1), self.hidden_size) if hidden is None else hidden
        cell = torch.zeros_like(hidden) if cell is None else cell
        outputs, gates = [], []
        for x in inputs:
            f, i, o, g = (self.from_input(x) + self.from_hidden(hidden)).chunk(4, dim=-1)
            f = torch.sigmoid(f)
            cell = f * cell + torch.sigmoid(i) * torch.tanh(g)
            hidden = torch.sigmoid(o) * torch.tanh(cell)
            outputs.append(hidden)
            gates.append(f)
        return Trace(outputs=torch.stack(outputs), hidden=hidden, cell=cell, forget_gates=torch.stack(gates))


class TracedLSTM1(TracedLSTM):
    def forward(self, inputs: Tensor, hidden: Tensor | None = None, cell: Tensor | None = None) -> Trace:
        hidden = inputs.new_zeros(inputs.size(1), self.hidden_size) if hidden is None else hidden
        cell = torch.zeros_like(hidden) if cell is None else cell
        outputs, gates = [], []
        for x in inputs:
            f, i, o, g = (self.from_input(x) + self.from_hidden(hidden)).chunk(4, dim=-1)
            f = torch.sigmoid(f)
            cell = f * cell + torch.sigmoid(i) * torch.tanh(g)
            hidden = torch.sigmoid(o) * torch.tanh(cell)
            outputs.append(hidden)
            gates.append(f)
        return Trace(outputs=torch.stack(outputs), hidden=hidden, cell=hidden, forget_gates=torch.stack(gates))


class TracedLSTM2(TracedLSTM):
    def forward(self, inputs: Tensor, hidden: Tensor | None = None, cell: Tensor | None = None) -> Trace:
        hidden = inputs.new_zeros(inputs.size(1), self.hidden_size) if hidden is None else hidden
        cell = torch.zeros_like(hidden) if cell is None else cell
        outputs, gates = [], []
        for x in inputs:
            f, i, o, g = (self.from_input(x) + self.from_hidden(hidden)).chunk(4, dim=-1)
            f = torch.sigmoid(f)
            cell = f * cell + torch.sigmoid(i) * torch.tanh(g)
            hidden = torch.sigmoid(o) * torch.tanh(cell)
            outputs.append(hidden)
            hidden = hidden.detach()
            gates.append(f)
        return Trace(outputs=torch.stack(outputs), hidden=hidden, cell=cell, forget_gates=torch.stack(gates))


class Attended(NamedTuple):
    context: Tensor
    h: Tensor
    weights: Tensor


class LookBackGRU(nn.Module):
    """A GRU whose output attends over the hidden states so far."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.gru = nn.GRU(input_size, hidden_size, batch_first=True)

    def forward(self, x, h0=None) -> Attended:
        hs, h = self.gru(x, h0)
        scores = hs @ hs.transpose(1, 2) / hs.shape[-1] ** 0.5
        later = torch.ones(scores.shape[1:], dtype=torch.bool, device=x.device).triu(1)
        weights = scores.masked_fill(later, float("-inf")).softmax(-1)
        return Attended(weights @ hs, h, weights)


class LookBackGRU1(LookBackGRU):
    def forward(self, x, h0=None) -> Attended:
        hs, h = self.gru(x, h0)
        scores = hs @ hs.transpose(1, 2) / hs.shape[-1] ** 0.5
        later = torch.ones(scores.shape[1:], dtype=torch.bool, device=x.device).triu(2)
        weights = scores.masked_fill(later, float("-inf")).softmax(-1)
        return Attended(weights @ hs, h, weights)


class LookBackGRU2(LookBackGRU):
    def forward(self, x, h0=None) -> Attended:
        hs, h = self.gru(x, h0)
        scores = hs @ hs.transpose(1, 2) / hs.shape[-1] ** 0.5
        later = torch.ones(scores.shape[1:], dtype=torch.bool, device=x.device).triu(1)
        weights = scores.masked_fill(later, float("-inf")).softmax(-2)
        return Attended(weights @ hs, h, weights)


class RecurrentEncoder(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.lstm = nn.LSTM(input_size, hidden_size, batch_first=True)

    def forward(self, features, hidden=None):
        output, (h, c) = self.lstm(features, hidden)
        return {
            "last_hidden_state": output,
            "pooled": output.mean(dim=1),
            "hidden": (h, c),
        }


class RecurrentEncoder1(RecurrentEncoder):
    def forward(self, features, hidden=None):
        output, (c, h) = self.lstm(features, hidden)
        return {
            "last_hidden_state": output,
            "pooled": output.mean(dim=1),
            "hidden": (h, c),
        }


class RecurrentEncoder2(RecurrentEncoder):
    def forward(self, features, hidden=None):
        output, (h, c) = self.lstm(features)
        return {
            "last_hidden_state": output,
            "pooled": output.mean(dim=1),
            "hidden": (h, c),
        }


class WithGates(nn.Module):
    def __init__(self, inputs, units):
        super().__init__()
        self.xh = nn.Linear(inputs, 3 * units)
        self.hh = nn.Linear(units, 3 * units)
        self.units = units

    def forward(self, x, h=None, return_gates=False):
        h = x.new_zeros(x.size(1), self.units) if h is None else h
        out, rs, zs = [], [], []
        for x_t in self.xh(x):
            h_t = self.hh(h)
            r, z = (x_t + h_t)[:, : 2 * self.units].sigmoid().chunk(2, 1)
            n = (x_t[:, 2 * self.units :] + r * h_t[:, 2 * self.units :]).tanh()
            h = (1 - z) * n + z * h
            out.append(h), rs.append(r), zs.append(z)
        if return_gates:
            return torch.stack(out), h, {"r": torch.stack(rs), "z": torch.stack(zs)}
        return torch.stack(out), h


class WithGates1(WithGates):
    def forward(self, x, h=None, return_gates=False):
        h = x.new_zeros(x.size(1), self.units) if h is None else h
        out, rs, zs = [], [], []
        for x_t in self.xh(x):
            h_t = self.hh(h)
            r, z = (x_t + h_t)[:, : 2 * self.units].sigmoid().chunk(2, 1)
            n = (x_t[:, 2 * self.units :] + r * h_t[:, 2 * self.units :]).tanh()
            h = (1 - z) * n + h
            out.append(h), rs.append(r), zs.append(z)
        if return_gates:
            return torch.stack(out), h, {"r": torch.stack(rs), "z": torch.stack(zs)}
        return torch.stack(out), h


class WithGates2(WithGates):
    def forward(self, x, h=None, return_gates=False):
        h = x.new_zeros(x.size(1), self.units) if h is None else h
        out, rs, zs = [], [], []
        for x_t in self.xh(x):
            h_t = self.hh(h)
            r, z = (x_t + h_t)[:, : 2 * self.units].sigmoid().chunk(2, 1)
            n = (x_t[:, self.units : 2 * self.units] + r * h_t[:, 2 * self.units :]).tanh()
            h = (1 - z) * n + z * h
            out.append(h), rs.append(r), zs.append(z)
        if return_gates:
            return torch.stack(out), h, {"r": torch.stack(rs), "z": torch.stack(zs)}
        return torch.stack(out), h


@dataclass(frozen=True)
class Memory:
    h: Tensor
    c: Tensor


class DataclassStateLSTM(nn.Module):
    def __init__(self, n_features: int, n_units: int):
        super().__init__()
        self.cell = nn.LSTMCell(n_features, n_units)

    def empty(self, x: Tensor) -> Memory:
        zeros = x.new_zeros(x.shape[1], self.cell.hidden_size)
        return Memory(h=zeros, c=zeros)

    def forward(self, x: Tensor, memory: Memory | None = None) -> tuple[Tensor, Memory]:
        if memory is None:
            memory = self.empty(x)
        outputs = []
        for x_t in x:
            memory = Memory(*self.cell(x_t, (memory.h, memory.c)))
            outputs.append(memory.h)
        return torch.stack(outputs), memory


class DataclassStateLSTM1(DataclassStateLSTM):
    def forward(self, x: Tensor, memory: Memory | None = None) -> tuple[Tensor, Memory]:
        if memory is None:
            memory = self.empty(x)
        outputs = []
        for x_t in x:
            memory = Memory(*self.cell(x_t, (memory.h, memory.c.roll(1, 0))))
            outputs.append(memory.h)
        return torch.stack(outputs), memory


class DataclassStateLSTM2(DataclassStateLSTM):
    def forward(self, x: Tensor, memory: Memory | None = None) -> tuple[Tensor, Memory]:
        if memory is None:
            memory = self.empty(x)
        outputs = []
        for x_t in x:
            last, memory = memory, Memory(*self.cell(x_t, (memory.h, memory.c)))
            outputs.append(memory.h)
        return torch.stack(outputs), last
