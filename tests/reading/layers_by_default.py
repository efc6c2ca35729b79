"""Layers inside one another, whose state is as large with any number: they are judged with as many as they have by default."""

import torch
from torch import nn


class Highway(nn.Module):
    """A recurrent highway network (Zilly et al., 2017): each step goes through several layers, and one state is carried on."""

    def __init__(self, C, H, depth=3):
        super().__init__()
        self.H, self.depth = H, depth
        self.inward = nn.Linear(C, 2 * H)
        self.inside = nn.ModuleList(nn.Linear(H, 2 * H) for _ in range(depth))

    def forward(self, input, s=None):
        s, outputs = input.new_zeros(input.size(1), self.H) if s is None else s, []
        for now in self.inward(input):
            for d, linear in enumerate(self.inside):
                h, gate = (linear(self.below(s, d)) + (now if d == 0 else 0)).chunk(2, -1)
                s = torch.lerp(s, torch.tanh(h), torch.sigmoid(gate))
            outputs.append(s)
        return torch.stack(outputs), s

    def below(self, s, d):
        return s


class HighwayCut(Highway):
    """No gradient goes from a layer to the one below."""

    def below(self, s, d):
        return s.detach() if d else s


class HighwayOfTheBatch(Highway):
    """From the second layer on, the mean of all rows is taken off."""

    def below(self, s, d):
        return s - s.mean(0) if d else s


class TopState(nn.Module):
    """Two layers, of which the last one's state alone comes back."""

    def __init__(self, n_in, n_hid, n_layers=2):
        super().__init__()
        self.n_hid = n_hid
        self.inner = nn.ModuleList(nn.Linear(n_hid + (n_hid if k else n_in), n_hid) for k in range(n_layers))

    def forward(self, x):
        for linear in self.inner:
            h, steps = x.new_zeros(len(x), self.n_hid), []
            for now in x.unbind(1):
                h = torch.tanh(linear(torch.cat([now, h], -1)))
                steps.append(h)
            x = self.between(torch.stack(steps, 1)) if linear is not self.inner[-1] else torch.stack(steps, 1)
        return x, h

    def between(self, x):
        return x


class TopStateAcrossSteps(TopState):
    """Between the layers, each step is divided by the mean of all."""

    def between(self, x):
        return x / x.mean(1, keepdim=True)


LAYERS = {
    Highway: ("(time, batch, features), state h, not looked at: depth other than 3", HighwayCut, HighwayOfTheBatch),
    TopState: ("(batch, time, features), state h, not looked at: n_layers other than 2", TopStateAcrossSteps),
}
"""What a reading says of each right layer, among other things; and its mistakes."""
