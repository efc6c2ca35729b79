"""Layers with mistakes that only one kind of check can see, each beside the right one."""

import torch
from torch import nn


class GateByGateGRU(nn.Module):
    """torch's GRU, a linear layer for each gate and side."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.from_input = nn.ModuleList(nn.Linear(input_size, hidden_size) for _ in range(3))
        self.from_state = nn.ModuleList(nn.Linear(hidden_size, hidden_size) for _ in range(3))

    def candidate(self, x, h, r):
        return torch.tanh(self.from_input[2](x) + r * self.from_state[2](h))

    def forward(self, input, hx=None):
        h = input.new_zeros(input.shape[1], self.hidden_size) if hx is None else hx[0]
        outputs = []
        for x in input:
            r, z = (torch.sigmoid(self.from_input[k](x) + self.from_state[k](h)) for k in range(2))
            h = torch.lerp(self.candidate(x, h, r), h, z)
            outputs.append(h)
        return torch.stack(outputs), h[None]


class ResetsBeforeTheProduct(GateByGateGRU):
    def candidate(self, x, h, r):
        return torch.tanh(self.from_input[2](x) + self.from_state[2](r * h))


class TransposedLSTM(nn.Module):
    """An LSTM with matrices of its own, whose forget gate begins open."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.kernel = nn.Parameter(torch.randn(input_size, 4 * hidden_size) / input_size)
        self.recurrent = nn.Parameter(torch.randn(hidden_size, 4 * hidden_size) / hidden_size)
        self.bias = nn.Parameter(torch.zeros(4 * hidden_size))
        self.open_the_forget_gate()

    def open_the_forget_gate(self):
        with torch.no_grad():
            self.bias[self.hidden_size : 2 * self.hidden_size] += 1

    def forward(self, input, hx=None):
        h, c = input.new_zeros(2, input.shape[1], self.hidden_size) if hx is None else (hx[0][0], hx[1][0])
        outputs = []
        for x in input:
            i, f, g, o = (x @ self.kernel + h @ self.recurrent + self.bias).chunk(4, -1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            outputs.append(h)
        return torch.stack(outputs), (h[None], c[None])


class OpensItInEachCall(TransposedLSTM):
    def forward(self, input, hx=None):
        self.open_the_forget_gate()
        return super().forward(input, hx)


class OpensItByData(TransposedLSTM):
    def forward(self, input, hx=None):
        self.bias.data[self.hidden_size : 2 * self.hidden_size] += 1
        return super().forward(input, hx)


class InChunks(nn.Module):
    """h = a h + (1 - a) v, eight steps at once."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.projection = nn.Linear(input_size, 2 * hidden_size)

    def forward(self, input, hx=None):
        h = input.new_zeros(input.shape[1], self.hidden_size) if hx is None else hx[0]
        outputs = []
        for steps in self.projection(input).split(8):
            outputs.append(self.at_once(steps, h))
            h = self.carried(outputs[-1], h)
        return torch.cat(outputs), outputs[-1][-1:]

    def at_once(self, steps, h):
        a, v = steps.chunk(2, -1)
        decay = nn.functional.logsigmoid(a).cumsum(0)
        between = torch.exp(decay[:, None] - decay[None]).masked_fill(torch.ones(2 * (len(a),)).triu(1).bool()[..., None, None], 0)
        return torch.einsum("tsbh,sbh->tbh", between, torch.sigmoid(-a) * v) + decay.exp() * h

    def carried(self, outputs, h):
        return outputs[-1]


class ForgetsAtEachChunk(InChunks):
    def carried(self, outputs, h):
        return h


class Peepholes(nn.Module):
    """An LSTM whose forget gate sees the cell."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.gates = nn.Linear(input_size + hidden_size, 4 * hidden_size)
        self.peephole = self.drawn(hidden_size)

    def drawn(self, size):
        return nn.Parameter(torch.randn(size))

    def forward(self, input, hx=None):
        h, c = input.new_zeros(2, input.shape[1], self.hidden_size) if hx is None else (hx[0][0], hx[1][0])
        outputs = []
        for x in input:
            i, f, g, o = self.gates(torch.cat([x, h], -1)).chunk(4, -1)
            c = (f + self.peephole * c).sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            outputs.append(h)
        return torch.stack(outputs), (h[None], c[None])


class PeepholesAsPlainTensors(Peepholes):
    def drawn(self, size):
        return torch.randn(size)


class Stacked(nn.Module):
    """Cells in a list."""

    def __init__(self, input_size, hidden_size, num_layers=2):
        super().__init__()
        self.hidden_size = hidden_size
        sizes = [input_size] + (num_layers - 1) * [hidden_size]
        self.cells = self.listed([nn.GRUCell(size, hidden_size) for size in sizes])

    def listed(self, cells):
        return nn.ModuleList(cells)

    def forward(self, input, hx=None):
        states = list(input.new_zeros(len(self.cells), input.shape[1], self.hidden_size) if hx is None else hx)
        outputs = []
        for x in input:
            for k, cell in enumerate(self.cells):
                x = states[k] = cell(x, states[k])
            outputs.append(x)
        return torch.stack(outputs), torch.stack(states)


class StackedInAPythonList(Stacked):
    def listed(self, cells):
        return cells


class Normalised(nn.GRU):
    """torch's GRU whose outputs are normalised; it hands all options on."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.norm = nn.LayerNorm(self.hidden_size * (2 if self.bidirectional else 1))

    def forward(self, input, hx=None):
        output, state = super().forward(input, hx)
        if isinstance(output, nn.utils.rnn.PackedSequence):
            return output._replace(data=self.norm(output.data)), state
        return self.norm(output), state


class StatesBatchFirst(Normalised):
    def forward(self, input, hx=None):
        output, state = super().forward(input, hx)
        return output, state.transpose(0, 1) if self.batch_first else state


class Dropping(nn.Module):
    """A GRU whose outputs are dropped in training."""

    def __init__(self, input_size, hidden_size, dropout=0.0):
        super().__init__()
        self.gru = nn.GRU(input_size, hidden_size)
        self.dropout = dropout

    def forward(self, input, hx=None):
        output, state = self.gru(input, hx)
        return self.dropped(output), state

    def dropped(self, output):
        return nn.functional.dropout(output, self.dropout, self.training)


class DropsInEval(Dropping):
    def dropped(self, output):
        return nn.functional.dropout(output, self.dropout)


class CharGRU(nn.Module):
    """Token ids in, made one-hot; several cells, and a head."""

    def __init__(self, n_chars, hidden_size, n_layers=2):
        super().__init__()
        self.n_chars, self.hidden_size, self.n_layers = n_chars, hidden_size, n_layers
        self.cells = nn.ModuleList([nn.GRUCell(hidden_size if i else n_chars, hidden_size) for i in range(n_layers)])
        self.head = nn.Linear(hidden_size, n_chars)

    def of(self, layer):
        """Of which layer the state is that this layer goes on from."""
        return layer

    def forward(self, ids, hidden=None):
        x = nn.functional.one_hot(ids, self.n_chars).float()
        hidden = list(x.new_zeros(self.n_layers, len(x), self.hidden_size) if hidden is None else hidden)
        outputs = []
        for t in range(x.shape[1]):
            given = x[:, t]
            for i, cell in enumerate(self.cells):
                given = hidden[i] = cell(given, hidden[self.of(i)])
            outputs.append(self.head(given))
        return torch.stack(outputs, 1), torch.stack(hidden)


class GoesOnFromTheFirstLayer(CharGRU):
    def of(self, layer):
        return 0
