"""States of several parts that come back in front of the output, of parts of other sizes, and in a private attribute."""

import torch
from torch import nn
from torch.nn import functional as F


class CarryFirst(nn.Module):
    """A step of an LSTM in the order of functional libraries: the carry (c, h) in front, in what goes in and in what comes back."""

    def __init__(self, in_features, features):
        super().__init__()
        self.features = features
        self.i, self.h = nn.Linear(in_features, 4 * features, bias=False), nn.Linear(features, 4 * features)

    def forward(self, carry, inputs):
        c, h = carry
        i, f, g, o = (self.i(inputs) + self.h(h)).split(self.features, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = self.normed(o.sigmoid() * c.tanh())
        return (c, h), h

    def normed(self, h):
        return h


class CarryFirstOfTheBatch(CarryFirst):
    """The norm is that of all rows."""

    def normed(self, h):
        return h / h.norm(dim=0, keepdim=True)


class Belief(nn.Module):
    """A step of a world model: the state is a dict of two vectors, of which one has a size of its own by default."""

    def __init__(self, embed_dim, deter, stoch=5):
        super().__init__()
        self.deter, self.stoch = deter, stoch
        self.mixed, self.gru = nn.Linear(embed_dim + stoch, deter), nn.GRUCell(deter, deter)
        self.posterior = nn.Linear(deter + embed_dim, 2 * stoch)

    def initial(self, batch_size):
        p = next(self.parameters())
        return {"deter": p.new_zeros(batch_size, self.deter), "stoch": p.new_zeros(batch_size, self.stoch)}

    def forward(self, embed, state=None):
        state = self.initial(len(embed)) if state is None else state
        deter = self.gru(F.elu(self.mixed(torch.cat([embed, state["stoch"]], -1))), state["deter"])
        mean, spread = self.posterior(torch.cat([deter, embed], -1)).chunk(2, -1)
        return {"deter": deter, "stoch": mean + F.softplus(spread) * torch.randn_like(mean) if self.training else mean}


class Seasonal(nn.Module):
    """Two parts of the state have a size of their own by default, beside the GRU's: a filter's, and that of its slope."""

    def __init__(self, input_size, hidden_size, level_dim=3, slope_dim=2):
        super().__init__()
        self.sizes = (hidden_size, level_dim, slope_dim)
        self.level, self.slope = nn.Linear(input_size + slope_dim, level_dim), nn.Linear(level_dim, slope_dim)
        self.cell = nn.GRUCell(input_size + level_dim, hidden_size)

    def forward(self, x, state=None):
        h, level, slope = [x.new_zeros(x.size(1), size) for size in self.sizes] if state is None else state
        outputs = []
        for step in x:
            level, slope = self.filtered(step, level, slope)
            h = self.cell(torch.cat([step, level], -1), h)
            outputs.append(h)
        return torch.stack(outputs), (h, level, slope)

    def filtered(self, step, level, slope):
        level = 0.5 * level + torch.tanh(self.level(torch.cat([step, slope], -1)))
        return level, 0.5 * slope + torch.tanh(self.slope(level))


class SeasonalWithoutSlope(Seasonal):
    """The slope that is given has no effect."""

    def forward(self, x, state=None):
        return super().forward(x, state and (*state[:2], 0 * state[2]))


class SeasonalOfTheBatch(Seasonal):
    def filtered(self, step, level, slope):
        return super().filtered(step, level.mean(0, keepdim=True).expand_as(level), slope)


class BeliefAlwaysNew(Belief):
    def forward(self, embed, state=None):
        return super().forward(embed)


class BeliefOfBefore(Belief):
    """The vector of the step before comes back."""

    def forward(self, embed, state=None):
        state = self.initial(len(embed)) if state is None else state
        return {**super().forward(embed, state), "deter": state["deter"]}


class GoesOn(nn.Module):
    """It keeps its state in an attribute that is nobody else's."""

    def __init__(self, n_features, n_hidden):
        super().__init__()
        self.rnn = nn.GRU(n_features, n_hidden, batch_first=True)
        self._h = None

    def reset(self):
        self._h = None

    def forward(self, x):
        y, h = self.rnn(x, self._h)
        self._h = h.detach()
        return y


class GoesOnFromZeros(GoesOn):
    """The state is kept, and never used."""

    def forward(self, x):
        y, h = self.rnn(x)
        self._h = h.detach()
        return y


class GoesOnForEver(GoesOn):
    """It does not forget."""

    def reset(self):
        pass


class FillsIn(nn.Module):
    """What a mask says is missing is taken from the state; the filled sequence comes back."""

    def __init__(self, n_features, n_hidden):
        super().__init__()
        self.cell, self.guess = nn.LSTMCell(2 * n_features, n_hidden), nn.Linear(n_hidden, n_features)
        self.decay = nn.Linear(n_features, n_hidden)

    def forward(self, values, masks, deltas):
        h = c = values.new_zeros(len(values), self.cell.hidden_size)
        filled = []
        for x, m, d in zip(values.unbind(1), masks.unbind(1), deltas.unbind(1), strict=True):
            h = h * torch.exp(-F.relu(self.decay(d)))
            filled.append(m * x + (1 - m) * self.guessed(h))
            h, c = self.cell(torch.cat([filled[-1], m], -1), (h, c))
        return torch.stack(filled, 1), h

    def guessed(self, h):
        return self.guess(h)


class FillsInWithoutGradient(FillsIn):
    def guessed(self, h):
        return self.guess(h).detach()


LAYERS = {
    CarryFirst: ("one step per call, state (h, c), inputs is the input, parameters: i.weight = [W_ih], gates i f g o",
                 CarryFirstOfTheBatch),
    Belief: ("one step per call, state (h, c), random in training: judged in eval(), "
             "not looked at: stoch other than hidden_size", BeliefAlwaysNew, BeliefOfBefore),
    Seasonal: ("state of 3 tensors or parts, not looked at: level_dim other than hidden_size, slope_dim other than hidden_size",
               SeasonalWithoutSlope, SeasonalOfTheBatch),
    GoesOn: ("(batch, time, features), no state comes back, reset() before each call", GoesOnFromZeros, GoesOnForEver),
    FillsIn: ("(batch, time, features), state h, beside it masks; deltas", FillsInWithoutGradient),
}  # fmt: skip
"""Each right layer, with what is said of how it is read and with its mistakes."""
