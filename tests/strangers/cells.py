"""One step a call, and loops over such cells."""

import torch
from torch import nn


class OneMatrixCell(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.fc = nn.Linear(input_size + hidden_size, 4 * hidden_size)

    def forward(self, x, states):
        h, c = states
        i, f, o, g = torch.chunk(self.fc(torch.cat([x, h], dim=1)), 4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, c


class OneMatrixCell1(OneMatrixCell):
    def forward(self, x, states):
        h, c = states
        i, f, o, g = torch.chunk(self.fc(torch.cat([x, h], dim=1)), 4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.sigmoid(c)
        return h, c


class OneMatrixCell2(OneMatrixCell):
    def forward(self, x, states):
        h, c = states
        i, f, o, g = torch.chunk(self.fc(torch.cat([x, h], dim=1)), 4, dim=1)
        new = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(new)
        return h, c


class MinimalGatedUnit(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.forget = nn.Linear(n_in + n_out, n_out)
        self.candidate = nn.Linear(n_in + n_out, n_out)

    def forward(self, x, h):
        f = torch.sigmoid(self.forget(torch.cat([h, x], -1)))
        n = torch.tanh(self.candidate(torch.cat([f * h, x], -1)))
        return (1 - f) * h + f * n


class MinimalGatedUnit1(MinimalGatedUnit):
    def forward(self, x, h):
        f = torch.sigmoid(self.forget(torch.cat([h, x], -1)))
        n = torch.tanh(self.candidate(torch.cat([f * h, x], -1)))
        return (1 - f) * h.detach() + f * n


class MinimalGatedUnit2(MinimalGatedUnit):
    def forward(self, x, h):
        f = torch.softmax(self.forget(torch.cat([h, x], -1)), 0)
        n = torch.tanh(self.candidate(torch.cat([f * h, x], -1)))
        return (1 - f) * h + f * n


class GRUStep(nn.GRUCell):
    """A GRUCell that returns (output, state), for a decoder's loop."""

    def forward(self, input, hx=None):
        h = super().forward(input, hx)
        return h, h


class GRUStep1(nn.GRUCell):
    """A GRUCell that returns (output, state), for a decoder's loop."""

    def forward(self, input, hx=None):
        h = super().forward(input)
        return h, h


class GRUStep2(nn.GRUCell):
    """A GRUCell that returns (output, state), for a decoder's loop."""

    def forward(self, input, hx=None):
        h = super().forward(input, hx)
        return h, hx if hx is not None else h


class CellStack(nn.Module):
    def __init__(self, input_size, hidden_size, num_layers):
        super().__init__()
        self.num_layers = num_layers
        self.hidden_size = hidden_size
        self.cells = nn.ModuleList()
        for i in range(num_layers):
            self.cells.append(nn.LSTMCell(input_size if i == 0 else hidden_size, hidden_size))

    def forward(self, x, hidden=None):
        if hidden is None:
            h = x.new_zeros(self.num_layers, x.size(1), self.hidden_size)
            hidden = (h, torch.zeros_like(h))
        hs, cs = list(hidden[0].unbind(0)), list(hidden[1].unbind(0))
        outputs = []
        for t in range(x.size(0)):
            inp = x[t]
            for i, cell in enumerate(self.cells):
                hs[i], cs[i] = cell(inp, (hs[i], cs[i]))
                inp = hs[i]
            outputs.append(inp)
        return torch.stack(outputs), (torch.stack(hs), torch.stack(cs))


class CellStack1(CellStack):
    def forward(self, x, hidden=None):
        if hidden is None:
            h = x.new_zeros(self.num_layers, x.size(1), self.hidden_size)
            hidden = (h, torch.zeros_like(h))
        hs, cs = list(hidden[0].unbind(0)), list(hidden[1].unbind(0))
        outputs = []
        for t in range(x.size(0)):
            inp = x[t]
            for i, cell in enumerate(self.cells):
                hs[i], cs[i] = cell(inp, (hs[i], cs[i]))
            outputs.append(hs[i])
        return torch.stack(outputs), (torch.stack(hs), torch.stack(cs))


class CellStack2(CellStack):
    def forward(self, x, hidden=None):
        if hidden is None:
            h = x.new_zeros(self.num_layers, x.size(1), self.hidden_size)
            hidden = (h, torch.zeros_like(h))
        hs, cs = list(hidden[0].unbind(0)), list(hidden[1].unbind(0))
        outputs = []
        for t in range(x.size(0)):
            inp = x[t]
            for i, cell in enumerate(self.cells):
                hs[i], cs[i] = cell(inp, (hs[i], cs[0]))
                inp = hs[i]
            outputs.append(inp)
        return torch.stack(outputs), (torch.stack(hs), torch.stack(cs))


class GRUCellLoop(nn.Module):
    def __init__(self, insize, size):
        super().__init__()
        self.cell = nn.GRUCell(insize, size)

    def forward(self, x, h=None):
        return_h = []
        for t in range(x.shape[0]):
            h = self.cell(x[t], h)
            return_h += [h]
        return torch.stack(return_h, 0), h


class GRUCellLoop1(GRUCellLoop):
    def forward(self, x, h=None):
        return_h = []
        for t in range(x.shape[0]):
            h = self.cell(x[max(t - 1, 0)], h)
            return_h += [h]
        return torch.stack(return_h, 0), h


class GRUCellLoop2(GRUCellLoop):
    def forward(self, x, h=None):
        return_h = []
        for t in range(x.shape[0]):
            h = self.cell(x[t], h)
            return_h += [h]
        return torch.stack(return_h, 0), return_h[0]


class SteppableGRU(nn.Module):
    """step() for streaming, forward() for training."""

    def __init__(self, in_dim, hid_dim):
        super().__init__()
        self.cell = nn.GRUCell(in_dim, hid_dim)

    def init(self, batch):
        return self.cell.weight_hh.new_zeros(batch, self.cell.hidden_size)

    def step(self, x, state):
        state = self.cell(x, state)
        return state, state

    def forward(self, xs, state=None):
        state = self.init(xs.size(0)) if state is None else state
        ys = []
        for x in xs.unbind(1):
            y, state = self.step(x, state)
            ys.append(y)
        return torch.stack(ys, 1), state


class SteppableGRU1(SteppableGRU):
    def forward(self, xs, state=None):
        state = self.init(xs.size(0))
        ys = []
        for x in xs.unbind(1):
            y, state = self.step(x, state)
            ys.append(y)
        return torch.stack(ys, 1), state


class SteppableGRU2(SteppableGRU):
    def forward(self, xs, state=None):
        state = self.init(xs.size(0)) if state is None else state
        ys = []
        for x in xs.unbind(1):
            y, new = self.step(x, state)
            ys.append(y)
            state = new if len(ys) < xs.size(1) else state
        return torch.stack(ys, 1), state
