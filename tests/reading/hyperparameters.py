"""Layers that take an object of options beside their sizes, or any keywords, and their mistakes."""

import math

import torch
from torch import nn


class Blend(nn.Module):
    """A continuous-time cell in closed form: two states, blended by the time since the last step."""

    def __init__(self, input_size, hidden_size, hparams):
        super().__init__()
        self.hidden_size, self.without_gate = hidden_size, hparams.get("no_gate", False)
        if hparams["backbone_activation"] not in ("silu", "tanh", "relu"):
            raise ValueError(f"unknown activation {hparams['backbone_activation']}")
        activation = {"silu": nn.SiLU, "tanh": nn.Tanh, "relu": nn.ReLU}[hparams["backbone_activation"]]
        width = hparams["backbone_units"]
        layers = [nn.Linear(input_size + hidden_size, width), activation()]
        for _ in range(1, hparams["backbone_layers"]):
            layers += [nn.Linear(width, width), activation()]
            layers += [nn.Dropout(hparams["backbone_dr"])] if "backbone_dr" in hparams.keys() else []  # noqa: SIM118
        self.backbone = nn.Sequential(*layers)
        self.first, self.second, self.slope, self.offset = (nn.Linear(width, hidden_size) for _ in range(4))

    def forward(self, input, hx, ts):
        features = self.backbone(torch.cat([input, hx], 1))
        one, other = torch.tanh(self.first(features)), torch.tanh(self.second(features))
        blend = torch.sigmoid(self.slope(features) * ts.view(-1, 1) + self.offset(features))
        return one + blend * other if self.without_gate else one * (1 - blend) + blend * other


class BlendOfTheBatch(Blend):
    def forward(self, input, hx, ts):
        return super().forward(input, hx.mean(0, keepdim=True).expand_as(hx), ts)


class InClosedForm(nn.Module):
    """The cell over a sequence whose steps may lie apart."""

    def __init__(self, in_features, hidden_size, out_feature, hparams, return_sequences=False):
        super().__init__()
        self.hidden_size, self.return_sequences = hidden_size, return_sequences
        self.cell, self.head = Blend(in_features, hidden_size, hparams), nn.Linear(hidden_size, out_feature)

    def time(self, timespans, t):
        return timespans[:, t]

    def forward(self, x, timespans=None):
        h, outputs = x.new_zeros(len(x), self.hidden_size), []
        for t in range(x.shape[1]):
            ts = x.new_ones(len(x)) if timespans is None else self.time(timespans, t)
            h = self.cell(x[:, t], h, ts)
            outputs.append(self.head(h))
        return torch.stack(outputs, 1) if self.return_sequences else outputs[-1]


class InClosedFormOfTheBatch(InClosedForm):
    def forward(self, x, timespans=None):
        return super().forward(x - x.mean(0), timespans)


class InClosedFormBackwards(InClosedForm):
    def forward(self, x, timespans=None):
        return super().forward(x + x.flip(1), timespans)


class ByKeywords(nn.Module):
    """An Elman network whose sizes are keywords that no signature names."""

    def __init__(self, **kwargs):
        super().__init__()
        self.size, bound = kwargs["hid_dim"], 1 / math.sqrt(kwargs["hid_dim"])
        self.activation = kwargs.get("act", torch.tanh)
        self.from_input = nn.Parameter(torch.empty(kwargs["in_dim"], self.size).uniform_(-bound, bound))
        self.from_state = nn.Parameter(torch.empty(self.size, self.size).uniform_(-bound, bound))

    def forward(self, x, h0=None):
        h, outputs = x.new_zeros(x.shape[1], self.size) if h0 is None else h0, []
        for step in x:
            h = self.activation(step @ self.from_input + h @ self.from_state)
            outputs.append(h)
        return torch.stack(outputs), h


class ByKeywordsFromZeros(ByKeywords):
    def forward(self, x, h0=None):
        return super().forward(x)


class ByKeywordsOfTheBatch(ByKeywords):
    def forward(self, x, h0=None):
        outputs, h = super().forward(x, h0)
        return outputs.softmax(1), h


class MinGRUInLogarithms(nn.Module):
    """A minGRU whose state is positive, as the sum of its logarithms takes it."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.candidate, self.gate = nn.Linear(input_size, hidden_size), nn.Linear(input_size, hidden_size)

    def forward(self, x, h=None):
        gate, candidate = self.gate(x), self.candidate(x)
        value = torch.where(candidate >= 0, (candidate.relu() + 0.5).log(), nn.functional.logsigmoid(candidate))
        seen = nn.functional.logsigmoid(gate) + value
        kept = nn.functional.logsigmoid(-gate).cumsum(0)
        h = x.new_full((x.shape[1], gate.shape[-1]), 0.5) if h is None else h
        states = (kept + torch.logcumsumexp(torch.cat([h.log()[None], seen - kept]), 0)[1:]).exp()
        return states, states[-1]


class OfACategory(nn.Module):
    """A generator of names: a step reads a category, a letter, and the state."""

    def __init__(self, n_categories, input_size, hidden_size, output_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.to_state = nn.Linear(n_categories + input_size + hidden_size, hidden_size)
        self.to_output = nn.Linear(n_categories + input_size + hidden_size, output_size)

    def forward(self, category, input, hidden):
        combined = torch.cat((category, input, hidden), 1)
        return self.to_output(combined), torch.tanh(self.to_state(combined))

    def init_hidden(self):
        return torch.zeros(1, self.hidden_size)


class OfACategoryOfTheBatch(OfACategory):
    def forward(self, category, input, hidden):
        output, hidden = super().forward(category, input, hidden)
        return output.softmax(0), hidden


class OfACategoryDetached(OfACategory):
    def forward(self, category, input, hidden):
        return super().forward(category, input, hidden.detach())


class Widths(nn.Module):
    """A stack of cells with a width of its own for each, and a list of states."""

    def __init__(self, input_dim, hidden_dims):
        super().__init__()
        sizes = [input_dim, *hidden_dims]
        self.cells = nn.ModuleList([nn.GRUCell(*pair) for pair in zip(sizes, hidden_dims, strict=False)])

    def first(self, x, hidden):
        return [x.new_zeros(x.shape[1], cell.hidden_size) for cell in self.cells] if hidden is None else list(hidden)

    def forward(self, x, hidden=None):
        hidden, outputs = self.first(x, hidden), []
        for step in x:
            for i, cell in enumerate(self.cells):
                hidden[i] = step = cell(step, hidden[i])
            outputs.append(step)
        return torch.stack(outputs), hidden


class WidthsFromZeros(Widths):
    def first(self, x, hidden):
        return super().first(x, None)


class WidthsOfTheNextRow(Widths):
    def first(self, x, hidden):
        return [h.roll(1, 0) for h in super().first(x, hidden)]


class Clockwork(nn.Module):
    """Groups of units, each of which moves at the steps that its period divides, counted from the first of a call."""

    def __init__(self, n_inputs, units_per_group, periods=(1, 2, 4)):
        super().__init__()
        self.periods, size = periods, units_per_group * len(periods)
        self.from_input, self.from_state = nn.Linear(n_inputs, size), nn.Linear(size, size, bias=False)

    def step(self, x, h, t):
        moved = torch.tanh(self.from_input(x) + self.from_state(h)).chunk(len(self.periods), 1)
        pairs = zip(moved, h.chunk(len(self.periods), 1), self.periods, strict=True)
        return torch.cat([new if t % period == 0 else old for new, old, period in pairs], 1)

    def forward(self, x, h=None):
        h, outputs = x.new_zeros(x.shape[1], self.from_state.in_features) if h is None else h, []
        for t, step in enumerate(x):
            h = self.step(step, h, t)
            outputs.append(h)
        return torch.stack(outputs), h


class ClockworkOfTheBatch(Clockwork):
    def step(self, x, h, t):
        return super().step(x, h.mean(0, keepdim=True).expand_as(h), t)


class ClockworkDetached(Clockwork):
    def step(self, x, h, t):
        return super().step(x, h.detach(), t)


class ClockworkFromZeros(Clockwork):
    def forward(self, x, h=None):
        return super().forward(x)


class InChunks(nn.Module):
    """A GRU in chunks of four steps, the last of which is filled up, by mistake with steps that move the state."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.rnn = nn.GRU(input_size, hidden_size)

    def forward(self, x, h=None):
        filled = nn.functional.pad(x, (0, 0, 0, 0, 0, -len(x) % 4))
        y, h = self.rnn(filled, h)
        return y[: len(x)], h


class Scored(nn.Module):
    """torch's LSTM, with a score of each step beside its results."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.lstm, self.score = nn.LSTM(input_size, hidden_size), nn.Linear(hidden_size, 1)

    def forward(self, x, hx=None):
        y, hx = self.lstm(x, hx)
        return y, hx, self.score(y)


class ScoredFromZeros(Scored):
    def forward(self, x, hx=None):
        return super().forward(x)


class ScoredDetached(Scored):
    def forward(self, x, hx=None):
        return super().forward(x.detach(), hx)


class OpensAtTimes(nn.Module):
    """A GRU whose gate opens late enough alone, so that the parameter that says when moves nothing at earlier times.

    The first four units are as built such that their gates stay closed for long.
    """

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell, self.rate = nn.GRUCell(input_size, hidden_size), nn.Parameter((torch.arange(hidden_size) > 3) / 1.0)

    def forward(self, x, times):
        h, outputs = x.new_zeros(x.shape[1], self.cell.hidden_size), []
        for step, now in zip(x, times, strict=True):
            gate = 0.2 + torch.relu(torch.tanh(now[:, None] * self.rate) - 0.6)
            h = h + gate * (self.cell(step, h) - h)
            outputs.append(h)
        return torch.stack(outputs)


class OpensAtTimesOfTheFirst(OpensAtTimes):
    def forward(self, x, times):
        return super().forward(x, times[:, :1].expand_as(times))


class OpensAtTimesOfTheBatch(OpensAtTimes):
    def forward(self, x, times):
        return super().forward(x - x.mean(1, keepdim=True), times)


LAYERS = {
    OpensAtTimes: ("(time, batch, features), no state comes back, beside it times", OpensAtTimesOfTheFirst,
                   OpensAtTimesOfTheBatch),
    Clockwork: ("(time, batch, features), state of 3 tensors or parts, its steps are counted, by 4", ClockworkOfTheBatch,
                ClockworkDetached, ClockworkFromZeros, InChunks),
    Widths: ("(time, batch, features), state h", WidthsFromZeros, WidthsOfTheNextRow),
    Scored: ("(time, batch, features), state (h, c), not looked at: result[2]", ScoredFromZeros, ScoredDetached),
    Blend: ("(batch, features), one step per call, state h", BlendOfTheBatch),
    InClosedForm: ("(batch, time, features), no state comes back, beside it timespans", InClosedFormOfTheBatch,
                   InClosedFormBackwards),
    ByKeywords: ("(time, batch, features), state h", ByKeywordsFromZeros, ByKeywordsOfTheBatch),
    OfACategory: ("(batch, features), one step per call, state h, not looked at: argument category", OfACategoryOfTheBatch,
                  OfACategoryDetached),
}  # fmt: skip
"""What a reading says of each right layer, among other things; and its mistakes."""
