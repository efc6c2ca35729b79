"""Recurrences of papers as different people write them: options in a dataclass, states side by side, named results, pixels."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass
class Options:
    input_size: int = 5
    hidden_size: int = 6
    num_layers: int = 2


class NormedCell(nn.Module):
    def __init__(self, n_in: int, n_hid: int):
        super().__init__()
        self.x2h, self.h2h = nn.Linear(n_in, 4 * n_hid, bias=False), nn.Linear(n_hid, 4 * n_hid, bias=False)
        self.ln_x, self.ln_h, self.ln_c = nn.LayerNorm(4 * n_hid), nn.LayerNorm(4 * n_hid), nn.LayerNorm(n_hid)

    def forward(self, x, hc):
        h, c = hc
        i, f, o, g = (self.ln_x(self.x2h(x)) + self.ln_h(self.h2h(h))).chunk(4, -1)
        c = torch.sigmoid(f + 1) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(self.ln_c(c)), c


class NormedLSTM(nn.Module):
    """Layer norm in each cell; a list of (h, c), one for each layer."""

    def __init__(self, config: Options):
        super().__init__()
        self.config = config
        sizes = [config.input_size, *[config.hidden_size] * (config.num_layers - 1)]
        self.cells = nn.ModuleList(NormedCell(size, config.hidden_size) for size in sizes)

    def forward(self, x: Tensor, state=None):
        zeros = x.new_zeros(len(x), self.config.hidden_size)
        state = self.own([(zeros, zeros)] * len(self.cells) if state is None else state)
        outputs = []
        for now in x.unbind(1):
            read = now
            for k, cell in enumerate(self.cells):
                state[k] = cell(read, state[k])
                read = self.read_above(now, state[k][0])
            outputs.append(state[-1][0])
        return torch.stack(outputs, 1), state

    def own(self, state):
        return list(state)

    def read_above(self, now, h):
        return h


class NormedLSTMInPlace(NormedLSTM):
    """The caller's list is written into."""

    def own(self, state):
        return state


class NormedLSTMSideBySide(NormedLSTM):
    """Each layer reads the input, as far as it fits."""

    def read_above(self, now, h):
        return F.pad(now, (0, h.shape[-1] - now.shape[-1]))


class SideBySideState(nn.Module):
    """(batch, layers, 2 * hidden), h and c side by side; weights in a ParameterDict."""

    def __init__(self, hidden_size, input_size, num_layers=2):
        super().__init__()
        self.hidden_size, self.num_layers = hidden_size, num_layers
        sizes = [hidden_size + (hidden_size if k else input_size) for k in range(num_layers)]
        self.p = nn.ParameterDict({f"W{k}": nn.Parameter(torch.randn(4 * hidden_size, n) / n**0.5) for k, n in enumerate(sizes)})

    def forward(self, x, state=None):
        state = x.new_zeros(len(x), self.num_layers, 2 * self.hidden_size) if state is None else state
        ends = []
        for k in range(self.num_layers):
            h, c = state[:, self.of(k)].chunk(2, -1)
            steps = []
            for now in x.unbind(1):
                i, f, g, o = F.linear(torch.cat([now, h], -1), self.p[f"W{k}"]).chunk(4, -1)
                c = f.sigmoid() * c + i.sigmoid() * g.tanh()
                h = o.sigmoid() * c.tanh()
                steps.append(h)
            x = torch.stack(steps, 1)
            ends.append(self.end(h, c))
        return x, torch.stack(ends, 1)

    def of(self, k):
        return k

    def end(self, h, c):
        return torch.cat([h, c], -1)


class SideBySideStateOfTheFirst(SideBySideState):
    """Each layer begins from the state of the first."""

    def of(self, k):
        return 0


class SideBySideStateExchanged(SideBySideState):
    """c comes back in front of h."""

    def end(self, h, c):
        return torch.cat([c, h], -1)


class Both(NamedTuple):
    h: Tensor
    c: Tensor


class Returned(NamedTuple):
    sequence: Tensor
    state: Both


class Multiplicative(nn.Module):
    """Multiplicative integration (Wu et al., 2016), with named results."""

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        self.hidden_size = hidden_size
        self.W, self.U = nn.Linear(input_size, 4 * hidden_size, bias=False), nn.Linear(hidden_size, 4 * hidden_size, bias=False)
        self.mixed = nn.Parameter(torch.tensor([[1.5], [0.5], [0.6]]).repeat(1, 4 * hidden_size))

    def forward(self, x: Tensor, state: Both | None = None) -> Returned:
        h, c = x.new_zeros(2, x.size(1), self.hidden_size) if state is None else state
        outputs = []
        for wx in self.W(x):
            uh = self.U(h)
            i, f, g, o = (self.mixed[0] * wx * uh + self.mixed[1] * uh + self.mixed[2] * wx).chunk(4, 1)
            c = self.kept(torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g))
            h = torch.sigmoid(o) * torch.tanh(c)
            outputs.append(h)
        return Returned(torch.stack(outputs), self.end(h, c))

    def kept(self, c):
        return c

    def end(self, h, c):
        return Both(h, c)


class MultiplicativeExchanged(Multiplicative):
    def end(self, h, c):
        return Both(c, h)


class MultiplicativeCut(Multiplicative):
    def kept(self, c):
        return c.detach()


class SlowAndFast(nn.Module):
    """A slow context beside the state (Mikolov et al., 2014), (batch, channels, time)."""

    def __init__(self, channels, hidden, context, alpha=0.95):
        super().__init__()
        self.hidden, self.context, self.alpha = hidden, context, alpha
        self.A, self.B, self.P, self.R = map(nn.Linear, (channels, channels, context, hidden), (hidden, context, hidden, hidden))

    def forward(self, x, state=None):
        h, s = (x.new_zeros(len(x), self.hidden), x.new_zeros(len(x), self.context)) if state is None else state
        outputs = []
        for now in self.steps(x):
            s = (1 - self.alpha) * self.B(now) + self.alpha * s
            h = torch.sigmoid(self.P(s) + self.A(now) + self.R(h))
            outputs.append(h)
        return torch.stack(outputs, 2), (h, self.end(s))

    def steps(self, x):
        return x.unbind(2)

    def end(self, s):
        return s


class SlowAndFastFromZeros(SlowAndFast):
    """The context comes back as zeros."""

    def end(self, s):
        return torch.zeros_like(s)


class SlowAndFastReshaped(SlowAndFast):
    """Steps and rows are exchanged by a reshape."""

    def steps(self, x):
        return x.transpose(1, 2).reshape(x.size(2), len(x), -1)


class RowOfPixels(nn.Module):
    """A ConvLSTM over rows of pixels, (batch, time, channels, width)."""

    def __init__(self, in_channels, filters, kernel_size=3):
        super().__init__()
        self.filters = filters
        self.conv = nn.Conv1d(in_channels + filters, 4 * filters, kernel_size, padding=kernel_size // 2)

    def forward(self, x, hidden=None):
        h, c = x.new_zeros(2, len(x), self.filters, x.size(3)) if hidden is None else hidden
        out = x.new_empty(*x.shape[:2], self.filters, x.size(3))
        for t in range(x.size(1)):
            i, f, o, g = self.conv(torch.cat([x[:, t], h], 1)).chunk(4, 1)
            c = self.next(c, torch.sigmoid(f), torch.sigmoid(i) * torch.tanh(g))
            h = torch.sigmoid(o) * torch.tanh(c)
            out[:, t] = self.written(h)
        return out, (h, c)

    def next(self, c, forget, new):
        return forget * c + new

    def written(self, h):
        return h


class RowOfPixelsInPlace(RowOfPixels):
    """The state that is given is written into."""

    def next(self, c, forget, new):
        return c.mul_(forget).add_(new)


class RowOfPixelsOfTheLast(RowOfPixels):
    """The last row's outputs are written for all."""

    def written(self, h):
        return h[-1]


LAYERS = {
    NormedLSTM: ("(batch, time, features), state (h, c)", NormedLSTMInPlace, NormedLSTMSideBySide),
    SideBySideState: ("(batch, time, features), state of 2 tensors or parts", SideBySideStateOfTheFirst, SideBySideStateExchanged),
    Multiplicative: ("(time, batch, features), state (h, c)", MultiplicativeExchanged, MultiplicativeCut),
    SlowAndFast: ("(batch, features, time), state (h, c)", SlowAndFastFromZeros, SlowAndFastReshaped),
    RowOfPixels: ("each feature a channel of a row of pixels", RowOfPixelsInPlace, RowOfPixelsOfTheLast),
}
"""What a reading says of each right layer, among other things; and its mistakes."""
