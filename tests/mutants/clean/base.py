"""A clean RNN, GRU and LSTM in plain torch: what the mutants are made of, and the control beside them.

The layer around the cell is in layer.py, a hand-written backward in by_hand.py.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.mutants.clean.layer import Layer, Weights

__all__ = ["GRU", "LSTM", "RNN", "Layer", "Weights"]


class RNN(Layer):
    """h' = tanh(W x + b + U h + b), or relu."""

    gate_count = 1

    def __init__(
        self,
        input_size,
        hidden_size,
        num_layers=1,
        nonlinearity="tanh",
        bias=True,
        batch_first=False,
        dropout=0.0,
        bidirectional=False,
        device=None,
        dtype=None,
    ):
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device=device, dtype=dtype)
        self.mode, self.nonlinearity = "RNN_" + nonlinearity.upper(), nonlinearity

    def cell(self, x, state, w):
        (h,) = state
        return (self.activation(self.from_input(x, w) + self.from_hidden(h, w)),)

    def activation(self, a):
        return a.tanh() if self.nonlinearity == "tanh" else a.relu()


class GRU(Layer):
    """n = tanh(W x + b + r (U h + b)); h' = (1 - z) n + z h."""

    mode, gate_count = "GRU", 3

    def __init__(
        self,
        input_size,
        hidden_size,
        num_layers=1,
        bias=True,
        batch_first=False,
        dropout=0.0,
        bidirectional=False,
        device=None,
        dtype=None,
    ):
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device=device, dtype=dtype)

    def cell(self, x, state, w):
        (h,) = state
        r_x, z_x, n_x = self.split(self.from_input(x, w))
        r_h, z_h, n_h = self.split(self.from_hidden(h, w))
        r, z = torch.sigmoid(r_x + r_h), torch.sigmoid(z_x + z_h)
        return (self.blend(z, self.candidate(n_x, r, n_h), h),)

    def candidate(self, n_x, r, n_h):
        return torch.tanh(n_x + r * n_h)

    def blend(self, z, n, h):
        return (1 - z) * n + z * h


class LSTM(Layer):
    """c' = f c + i g; h' = o tanh(c'), projected if there is a projection."""

    mode, gate_count = "LSTM", 4

    def state_sizes(self):
        return (self.state_size, self.hidden_size)

    def state_tuple(self, hx):
        if hx is None:
            return None
        if not isinstance(hx, tuple | list) or len(hx) != 2 or not all(isinstance(s, Tensor) for s in hx):
            raise TypeError(f"hx should be a tuple of two Tensors (h_0, c_0), got: {type(hx).__name__}")
        return tuple(hx)

    def result_state(self, state):
        return state

    def cell(self, x, state, w):
        h, c = state
        i, f, g, o = self.gates(x, h, w)
        c = self.new_c(i, f, g, c)
        return self.project(self.new_h(o, c), w), c

    def gates(self, x, h, w):
        i, f, g, o = self.split(self.from_input(x, w) + self.from_hidden(h, w))
        return torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)

    def new_c(self, i, f, g, c):
        return f * c + i * g

    def new_h(self, o, c):
        return o * torch.tanh(c)

    def project(self, h, w):
        return h if w.hr is None else F.linear(h, w.hr)
