"""Honest rewrites of the reference models: loops, packed weights, torch's own layer under other names."""

import torch
from torch import nn

from tests.mutants.clean.references import drawn_states, given_states, kept_state
from tests.mutants.controls.correct import CORRECT, Correct


def names(layer):
    return (f"{name}_l{layer}" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))


def step(pre, cell):
    """One step of an LSTM from the sums of its gates."""
    i, f, g, o = pre.chunk(4, -1)
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell


class Loop(given_states.Model):
    """A loop over layers and steps."""

    def forward(self, x, h0, c0):
        rest, last = self.start(x), []
        for layer in range(self.lstm.num_layers):
            rest, state = self.one_layer(layer, rest, h0[layer], c0[layer])
            last.append(state)
        h_n, c_n = (torch.stack(parts) for parts in zip(*last, strict=True))
        return {"scores": self.head(rest[:, -1]), "state": (h_n, c_n)}

    def start(self, x):
        return x

    def weights(self, layer):
        return [getattr(self.lstm, name) for name in names(layer)]

    def one_layer(self, layer, x, h, c):
        w_ih, w_hh, b_ih, b_hh = self.weights(layer)
        pre, outputs = x @ w_ih.T + (b_ih + b_hh), []
        for t in range(max(x.shape[1] - self.most(x), 0), x.shape[1]):
            h, c = step(pre[:, t] + h @ w_hh.T, c)
            outputs.append(h)
        return torch.stack(outputs, 1), (h, c)

    def most(self, x):
        """How many of the last steps are made."""
        return x.shape[1]


class Packed(Loop):
    """Both matrices of a layer in one, made anew at each call; cells one step after the other through all layers."""

    def forward(self, x, h0, c0):
        own = map(self.weights, range(self.lstm.num_layers))
        packed = [(torch.cat([w_ih, w_hh], 1), b_ih + b_hh) for w_ih, w_hh, b_ih, b_hh in own]
        h, c = list(h0.unbind()), list(c0.unbind())
        for x_t in x.unbind(1):
            for layer, (w, b) in enumerate(packed):
                h[layer], c[layer] = step(torch.addmm(b, torch.cat([x_t, h[layer]], 1), w.T), c[layer])
                x_t = h[layer]
        return {"scores": self.head(h[-1]), "state": (torch.stack(h), torch.stack(c))}


class Renamed(nn.Module):
    """torch's own layer under other names, with time first inside."""

    def __init__(self, features, hidden, layers, classes):
        super().__init__()
        self.recurrent = nn.LSTM(features, hidden, layers)
        self.scores = nn.Linear(hidden, classes)

    def forward(self, x, h0, c0):
        _, (h_n, c_n) = self.recurrent(x.transpose(0, 1).contiguous(), (h0, c0))
        return {"scores": self.scores(h_n[-1]), "state": [h_n, c_n]}


class DrawnLoop(drawn_states.Model):
    """The loop with states of its own."""

    scale = 1.0

    def forward(self, x):
        layers, hidden = self.shape
        h, c = (torch.randn(layers, len(x), hidden, device=x.device) * self.scale for _ in range(2))
        return self.head(Loop.one_layer(self, 1, Loop.one_layer(self, 0, x, h[0], c[0])[0], h[1], c[1])[0][:, -1])

    weights, most = Loop.weights, Loop.most


class KeptStep(kept_state.Model):
    """The step with the product in two parts."""

    def forward(self, x):
        weight, features = self.i2h.weight, x.shape[1]
        self.hidden = torch.tanh(x @ weight[:, :features].T + self.hidden @ weight[:, features:].T + self.i2h.bias)
        return self.h2o(self.hidden)


REFERENCE_OF = {DrawnLoop: drawn_states.Model, KeptStep: kept_state.Model}
RIGHT = (Loop, Packed, Renamed, DrawnLoop, KeptStep)
CORRECT |= {f"pair-{model.__name__}": Correct(model, REFERENCE_OF.get(model, given_states.Model), "pair", ()) for model in RIGHT}
