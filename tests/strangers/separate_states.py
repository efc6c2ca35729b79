"""States as arguments and results of their own, and in shapes of their own."""
# ruff: noqa: UP006, UP035, UP045, SIM113

from typing import List, Optional, Tuple

import torch
import torch.nn as nn
from torch import Tensor


class ThreeInThreeOut(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.linear = nn.Linear(input_size + hidden_size, hidden_size * 4)

    def forward(self, x, h, c):
        out = []
        for t in range(x.shape[0]):
            z = self.linear(torch.cat([x[t], h], 1))
            i, f, g, o = z.chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            out.append(h)
        return torch.stack(out, 0), h, c


class ThreeInThreeOut1(ThreeInThreeOut):
    def forward(self, x, h, c):
        out = []
        for t in range(x.shape[0]):
            z = self.linear(torch.cat([x[t], h], 1))
            i, f, g, o = z.chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            out.append(h)
        return torch.stack(out, 0), c, h


class ThreeInThreeOut2(ThreeInThreeOut):
    def forward(self, x, h, c):
        out = []
        h, c = torch.zeros_like(h), torch.zeros_like(c)
        for t in range(x.shape[0]):
            z = self.linear(torch.cat([x[t], h], 1))
            i, f, g, o = z.chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            out.append(h)
        return torch.stack(out, 0), h, c


class OptionalStates(nn.Module):
    def __init__(self, input_dim, lstm_dim):
        super().__init__()
        self.lstm_dim = lstm_dim
        self.wx = nn.Linear(input_dim, 4 * lstm_dim)
        self.wh = nn.Linear(lstm_dim, 4 * lstm_dim)

    def forward(self, inputs, h0=None, c0=None):
        batch = inputs.shape[1]
        h = inputs.new_zeros(batch, self.lstm_dim) if h0 is None else h0[0]
        c = inputs.new_zeros(batch, self.lstm_dim) if c0 is None else c0[0]
        hs = []
        for x in inputs:
            i, f, g, o = torch.split(self.wx(x) + self.wh(h), self.lstm_dim, dim=-1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            hs.append(h)
        return torch.stack(hs), h[None], c[None]


class OptionalStates1(OptionalStates):
    def forward(self, inputs, h0=None, c0=None):
        batch = inputs.shape[1]
        h = inputs.new_zeros(batch, self.lstm_dim) if h0 is None else h0[0]
        c = inputs.new_zeros(batch, self.lstm_dim) if c0 is None else c0[0]
        hs = []
        for x in inputs:
            i, f, g, o = torch.split(self.wx(x) + self.wh(h), self.lstm_dim, dim=-1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.detach().tanh()
            hs.append(h)
        return torch.stack(hs), h[None], c[None]


class OptionalStates2(OptionalStates):
    def forward(self, inputs, h0=None, c0=None):
        batch = inputs.shape[1]
        h = inputs.new_zeros(batch, self.lstm_dim) if h0 is None else h0[0]
        c = inputs.new_zeros(batch, self.lstm_dim) if h0 is None else h0[0]
        hs = []
        for x in inputs:
            i, f, g, o = torch.split(self.wx(x) + self.wh(h), self.lstm_dim, dim=-1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            hs.append(h)
        return torch.stack(hs), h[None], c[None]


class CellFirstLSTM(nn.Module):
    """state = (c, h), as in TensorFlow 1."""

    def __init__(self, num_inputs, num_units, forget_bias=1.0):
        super().__init__()
        self.num_units = num_units
        self.forget_bias = forget_bias
        self.kernel = nn.Parameter(torch.randn(num_inputs + num_units, 4 * num_units) * 0.3)
        self.bias = nn.Parameter(torch.zeros(4 * num_units))

    def zero_state(self, inputs):
        z = inputs.new_zeros(inputs.size(1), self.num_units)
        return (z, z)

    def forward(self, inputs, state=None):
        c, h = self.zero_state(inputs) if state is None else state
        outputs = []
        for x in inputs:
            gate_inputs = torch.cat([x, h], 1) @ self.kernel + self.bias
            i, j, f, o = gate_inputs.chunk(4, 1)
            c = c * torch.sigmoid(f + self.forget_bias) + torch.sigmoid(i) * torch.tanh(j)
            h = torch.tanh(c) * torch.sigmoid(o)
            outputs.append(h)
        return torch.stack(outputs), (c, h)


class CellFirstLSTM1(CellFirstLSTM):
    def forward(self, inputs, state=None):
        h, c = self.zero_state(inputs) if state is None else state
        outputs = []
        for x in inputs:
            gate_inputs = torch.cat([x, h], 1) @ self.kernel + self.bias
            i, j, f, o = gate_inputs.chunk(4, 1)
            c = c * torch.sigmoid(f + self.forget_bias) + torch.sigmoid(i) * torch.tanh(j)
            h = torch.tanh(c) * torch.sigmoid(o)
            outputs.append(h)
        return torch.stack(outputs), (c, h)


class CellFirstLSTM2(CellFirstLSTM):
    def forward(self, inputs, state=None):
        c, h = self.zero_state(inputs) if state is None else state
        outputs = []
        for x in inputs:
            gate_inputs = torch.cat([x, h], 1) @ self.kernel + self.bias
            i, j, f, o = gate_inputs.chunk(4, 1)
            c = c * torch.sigmoid(f + self.forget_bias) + torch.sigmoid(i) * torch.tanh(j)
            h = torch.tanh(c) * torch.sigmoid(o)
            outputs.append(h)
        return torch.stack(outputs), (c, outputs[-2] if len(outputs) > 1 else h)


class ListOfStates(nn.Module):
    def __init__(self, input_size, hidden_size, num_layers=2):
        super().__init__()
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        self.cells = nn.ModuleList([nn.LSTMCell(s, hidden_size) for s in sizes])

    def forward(self, x, state=None):
        state = [None] * len(self.cells) if state is None else list(state)
        ys = []
        for y in x:
            for k, cell in enumerate(self.cells):
                state[k] = cell(y, state[k])
                y = state[k][0]
            ys.append(y)
        return torch.stack(ys), state


class ListOfStates1(ListOfStates):
    def forward(self, x, state=None):
        state = [None] * len(self.cells) if state is None else list(state)
        ys = []
        for y in x:
            for k, cell in enumerate(self.cells):
                state[k] = cell(y, state[k - 1] if k else state[k])
                y = state[k][0]
            ys.append(y)
        return torch.stack(ys), state


class ListOfStates2(ListOfStates):
    def forward(self, x, state=None):
        state = [None] * len(self.cells) if state is None else state
        ys = []
        for y in x:
            for k, cell in enumerate(self.cells):
                state[k] = cell(y, state[k])
                y = state[k][0]
            ys.append(y)
        return torch.stack(ys), state


class BatchMajorStates(nn.Module):
    """Everything is batch-major, the state too: (batch, layers, hidden)."""

    def __init__(self, input_size, hidden_size, num_layers=2):
        super().__init__()
        self.num_layers, self.hidden_size = num_layers, hidden_size
        self.rnn = nn.GRU(input_size, hidden_size, num_layers, batch_first=True)

    def forward(self, x, state=None):
        if state is None:
            state = x.new_zeros(x.shape[0], self.num_layers, self.hidden_size)
        out, new_state = self.rnn(x, state.transpose(0, 1).contiguous())
        return out, new_state.transpose(0, 1)


class BatchMajorStates1(BatchMajorStates):
    def forward(self, x, state=None):
        if state is None:
            state = x.new_zeros(x.shape[0], self.num_layers, self.hidden_size)
        out, new_state = self.rnn(x, state.reshape(self.num_layers, -1, self.hidden_size))
        return out, new_state.transpose(0, 1)


class BatchMajorStates2(BatchMajorStates):
    def forward(self, x, state=None):
        if state is None:
            state = x.new_zeros(x.shape[0], self.num_layers, self.hidden_size)
        out, new_state = self.rnn(x, state.transpose(0, 1).contiguous())
        return out, new_state.flip(0).transpose(0, 1)


class ScriptedStack(nn.Module):
    """Annotated for TorchScript, with List and Optional."""

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 2):
        super().__init__()
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.layers = nn.ModuleList([nn.GRUCell(input_size if n == 0 else hidden_size, hidden_size) for n in range(num_layers)])

    def forward(self, input: Tensor, states: Optional[List[Tensor]] = None) -> Tuple[Tensor, List[Tensor]]:
        if states is None:
            states = [torch.zeros(input.size(1), self.hidden_size, dtype=input.dtype, device=input.device)] * self.num_layers
        output_states: List[Tensor] = []
        output = input
        i = 0
        for layer in self.layers:
            state = states[i]
            inputs = output.unbind(0)
            outputs: List[Tensor] = []
            for j in range(len(inputs)):
                state = layer(inputs[j], state)
                outputs += [state]
            output = torch.stack(outputs)
            output_states += [state]
            i += 1
        return output, output_states


class ScriptedStack1(ScriptedStack):
    def forward(self, input: Tensor, states: Optional[List[Tensor]] = None) -> Tuple[Tensor, List[Tensor]]:
        if states is None:
            states = [torch.zeros(input.size(1), self.hidden_size, dtype=input.dtype, device=input.device)] * self.num_layers
        output_states: List[Tensor] = []
        output = input
        i = 0
        for layer in self.layers:
            state = states[0]
            inputs = output.unbind(0)
            outputs: List[Tensor] = []
            for j in range(len(inputs)):
                state = layer(inputs[j], state)
                outputs += [state]
            output = torch.stack(outputs)
            output_states += [state]
            i += 1
        return output, output_states


class ScriptedStack2(ScriptedStack):
    def forward(self, input: Tensor, states: Optional[List[Tensor]] = None) -> Tuple[Tensor, List[Tensor]]:
        if states is None:
            states = [torch.zeros(input.size(1), self.hidden_size, dtype=input.dtype, device=input.device)] * self.num_layers
        output_states: List[Tensor] = []
        output = input
        i = 0
        for layer in self.layers:
            state = states[i]
            inputs = output.unbind(0)
            outputs: List[Tensor] = []
            for j in range(len(inputs)):
                state = layer(inputs[j], state)
                outputs += [state]
            output = torch.stack(outputs)
            output_states += [states[i]]
            i += 1
        return output, output_states


class StackedState(nn.Module):
    """h and c in one tensor: (2, batch, hidden)."""

    def __init__(self, obs_dim, hid_dim):
        super().__init__()
        self.cell = nn.LSTMCell(obs_dim, hid_dim)

    def forward(self, obs, state=None):
        hc = None if state is None else (state[0], state[1])
        feats = []
        for o in obs:
            hc = self.cell(o, hc)
            feats.append(hc[0])
        return torch.stack(feats), torch.stack(hc)


class StackedState1(StackedState):
    def forward(self, obs, state=None):
        hc = None if state is None else (state[1], state[0])
        feats = []
        for o in obs:
            hc = self.cell(o, hc)
            feats.append(hc[0])
        return torch.stack(feats), torch.stack(hc)


class StackedState2(StackedState):
    def forward(self, obs, state=None):
        hc = None if state is None else (state[0], state[1])
        feats = []
        for o in obs:
            hc = self.cell(o, None if hc is None else [s.detach() for s in hc])
            feats.append(hc[0])
        return torch.stack(feats), torch.stack(hc)


class LSTMP(nn.Module):
    """LSTM with a recurrent projection, as in speech recognition: the two states differ in size."""

    def __init__(self, input_dim, cell_dim, proj_dim):
        super().__init__()
        self.cell_dim, self.proj_dim = cell_dim, proj_dim
        self.w = nn.Linear(input_dim + proj_dim, 4 * cell_dim)
        self.proj = nn.Linear(cell_dim, proj_dim, bias=False)

    def forward(self, feats, state=None):
        if state is None:
            state = (feats.new_zeros(feats.size(1), self.proj_dim), feats.new_zeros(feats.size(1), self.cell_dim))
        r, c = state
        out = []
        for frame in feats:
            i, f, g, o = self.w(torch.cat([frame, r], -1)).chunk(4, -1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            r = self.proj(torch.sigmoid(o) * torch.tanh(c))
            out.append(r)
        return torch.stack(out), (r, c)


class LSTMP1(LSTMP):
    def forward(self, feats, state=None):
        if state is None:
            state = (feats.new_zeros(feats.size(1), self.proj_dim), feats.new_zeros(feats.size(1), self.cell_dim))
        r, c = state
        out = []
        for frame in feats:
            i, f, g, o = self.w(torch.cat([frame, r], -1)).chunk(4, -1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            r = self.proj(torch.sigmoid(o) * torch.tanh(c))
            out.append(r)
        return torch.stack(out), (state[0], c)


class LSTMP2(LSTMP):
    def forward(self, feats, state=None):
        if state is None:
            state = (feats.new_zeros(feats.size(1), self.proj_dim), feats.new_zeros(feats.size(1), self.cell_dim))
        r, c = state
        out = []
        for frame in feats:
            i, f, g, o = self.w(torch.cat([frame, r.detach()], -1)).chunk(4, -1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            r = self.proj(torch.sigmoid(o) * torch.tanh(c))
            out.append(r)
        return torch.stack(out), (r, c)
