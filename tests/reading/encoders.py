"""Encoders: as wide as both directions, of a mean and a spread, and with a flag that no name says to be one."""

import torch
from torch import nn


class TwoLayersBothWays(nn.Module):
    """Two layers of two directions, whose outputs alone come back: each half has seen the whole sequence."""

    def __init__(self, n_features, n_hidden):
        super().__init__()
        self.rnn = nn.GRU(n_features, n_hidden, 2, batch_first=True, bidirectional=True)

    def forward(self, x):
        return self.rnn(x)[0]


class TwoLayersBothWaysCentred(TwoLayersBothWays):
    """The mean of all rows is taken off."""

    def forward(self, x):
        y = super().forward(x)
        return y - y.mean(0, keepdim=True)


class TwoLayersBothWaysReshaped(TwoLayersBothWays):
    """Steps and rows are exchanged by a reshape."""

    def forward(self, x):
        return super().forward(x.transpose(0, 1)).reshape(*x.shape[:2], -1)


class OnAndBack(nn.Module):
    """The second recurrence reads from the end what the first one returned; both outputs stand side by side."""

    def __init__(self, n_features, n_hidden):
        super().__init__()
        self.on, self.back = nn.GRU(n_features, n_hidden, batch_first=True), nn.GRU(n_hidden, n_hidden, batch_first=True)

    def forward(self, x):
        on, _ = self.on(x)
        back, _ = self.back(self.turned(on))
        return torch.cat([on, self.turned(back)], -1)

    def turned(self, y):
        return y.flip(1)


class OnAndBackOfTheBatch(OnAndBack):
    """Rows are turned, and not steps."""

    def turned(self, y):
        return y.flip(0)


class Recogniser(nn.Module):
    """It reads from the end, and returns a mean and a spread; the times are there for other encoders."""

    def __init__(self, obs_dim, hidden_dim, latent_dim):
        super().__init__()
        self.cell, self.latent = nn.GRUCell(obs_dim, hidden_dim), nn.Linear(hidden_dim, 2 * latent_dim)

    def forward(self, observations, times=None):
        h = observations.new_zeros(len(observations), self.cell.hidden_size)
        for t in reversed(range(observations.shape[1])):
            h = self.cell(observations[:, t], self.given(h))
        return self.latent(h).chunk(2, -1)

    def given(self, h):
        return h


class RecogniserOfTheBatch(Recogniser):
    def given(self, h):
        return h - h.mean(0)


class RecogniserCut(Recogniser):
    def given(self, h):
        return h.detach()


class OfAFlag(nn.Module):
    """An option whose name does not say that it is a flag halves the size of each direction."""

    def __init__(self, config):
        super().__init__()
        directions = 2 if config.birnn else 1
        hidden = config.hidden_dim // directions
        self.rnn = nn.GRU(config.input_dim, hidden, config.n_layers, batch_first=True, bidirectional=config.birnn)

    def forward(self, x, h=None):
        return self.rnn(x, h)


class OfAFlagFromZeros(OfAFlag):
    def forward(self, x, h=None):
        return self.rnn(x)


class OfAFlagCentred(OfAFlag):
    """The mean of all rows is taken off."""

    def forward(self, x, h=None):
        return super().forward(x - x.mean(0, keepdim=True), h)


LAYERS = {
    TwoLayersBothWays: ("(batch, time, features), no state comes back, two directions in the same features",
                        TwoLayersBothWaysCentred, TwoLayersBothWaysReshaped),
    Recogniser: ("(batch, time, features), no state comes back, returns only the last output, not looked at: result[1]",
                 RecogniserOfTheBatch, RecogniserCut),
    OfAFlag: ("(batch, time, features), state h, not looked at: birnn other than False", OfAFlagFromZeros, OfAFlagCentred),
    OnAndBack: ("(batch, time, features), no state comes back, two directions in the same features", OnAndBackOfTheBatch),
}  # fmt: skip
"""Each right layer, with what is said of how it is read and with its mistakes."""
