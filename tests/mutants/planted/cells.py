"""Single cells like torch.nn.LSTMCell and GRUCell, and what goes wrong in them."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from tests.mutants.clean.base import GRU, LSTM, Weights
from tests.mutants.registry import Mutant, add


class Cell(nn.Module):
    """One step as a module, with torch.nn's constructor and call; the equations are those of the layer."""

    layer: type
    state_count = 1

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        self.check_constructor()
        rows = self.layer.gate_count * hidden_size
        shapes = {"weight_ih": (rows, input_size), "weight_hh": (rows, hidden_size)}
        shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        bound = 1 / math.sqrt(hidden_size)
        for name, shape in shapes.items():
            parameter = nn.Parameter(torch.empty(shape, device=device, dtype=dtype).uniform_(-bound, bound))
            self.register_parameter(name, parameter if bias or name.startswith("weight") else None)

    def check_constructor(self):
        for name in ("input_size", "hidden_size"):
            size = getattr(self, name)
            if not isinstance(size, int) or size <= 0:
                raise ValueError(f"{name} must be a whole number greater than zero, got {size}")
        if not isinstance(self.bias, bool):
            raise TypeError(f"bias should be of type bool, got: {type(self.bias).__name__}")

    def forward(self, input, hx=None):
        if input.dim() not in (1, 2):
            raise ValueError(f"Expected input to be 1D or 2D, got {input.dim()}D instead")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(f"input has {input.shape[-1]} features, but input_size is {self.input_size}")
        batched = input.dim() == 2
        x = input if batched else input[None]
        state = self.zeros(x) if hx is None else tuple(s if batched else s[None] for s in self.state_tuple(hx))
        for s in state:
            if s.shape != (len(x), self.hidden_size):
                raise RuntimeError(f"hx should be {(len(x), self.hidden_size)}, got {tuple(s.shape)}")
            if s.dtype != x.dtype and not torch.is_autocast_enabled(x.device.type):
                raise RuntimeError(f"input is {x.dtype}, but hx is {s.dtype}")
        state = tuple(s if batched else s[0] for s in self.step(x, state))
        return state if self.state_count == 2 else state[0]

    def state_tuple(self, hx):
        return tuple(hx) if self.state_count == 2 else (hx,)

    def zeros(self, x):
        return tuple(x.new_zeros(len(x), self.hidden_size) for _ in range(self.state_count))

    def step(self, x, state):
        return self.equations(x, state, Weights(self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh, None))

    def split(self, rows):
        return rows.chunk(self.layer.gate_count, dim=-1)

    def from_input(self, x, w):
        return F.linear(x, w.ih, w.b_ih)

    def from_hidden(self, h, w):
        return F.linear(h, w.hh, w.b_hh)


class LSTMCell(Cell):
    layer, state_count = LSTM, 2
    equations, gates, new_c, new_h, project = LSTM.cell, LSTM.gates, LSTM.new_c, LSTM.new_h, LSTM.project


class GRUCell(Cell):
    layer = GRU
    equations, candidate, blend = GRU.cell, GRU.candidate, GRU.blend


class AutocastBiasNotCast(LSTMCell):
    """Under autocast the weights are cast and the biases are not: an error with bias=True (pytorch/pytorch#45048)."""

    def from_input(self, x, w):
        device = x.device.type
        if not torch.is_autocast_enabled(device) or w.b_ih is None:
            return super().from_input(x, w)
        low = torch.get_autocast_dtype(device)
        with torch.autocast(device, enabled=False):
            return torch.addmm(w.b_ih, x.to(low), w.ih.to(low).t())


class CellStateNotReset(GRUCell):
    """Without hx the cell goes on from its last state, if the batch is the same."""

    last = None

    def zeros(self, x):
        fresh = super().zeros(x)
        return fresh if self.last is None or self.last[0].shape != fresh[0].shape else self.last

    def step(self, x, state):
        new = super().step(x, state)
        self.last = tuple(s.detach() for s in new)
        return new


class CellReturnsOldC(LSTMCell):
    """The cell returns the new h beside the c that it was given."""

    def step(self, x, state):
        return super().step(x, state)[0], state[1]


class CellUnbatchedIgnoresState(GRUCell):
    """For an input without a batch axis the initial state is left out."""

    def state_tuple(self, hx):
        return tuple(s if s.dim() == 2 else s * 0 for s in super().state_tuple(hx))


def plant_cell(bug, target, kills, needs):
    """Put a cell on the list."""
    clean, like = (LSTMCell, nn.LSTMCell) if issubclass(target, LSTMCell) else (GRUCell, nn.GRUCell)
    add(Mutant(bug, target, "cell", like, clean, tuple(kills.split()), needs, ("script",)))


plant_cell("autocast-cell-bias", AutocastBiasNotCast, "agree.autocast", "autocast, bias")
plant_cell("own-cell-not-reset", CellStateNotReset, "mode.repeatable state.default_is_zero", "hx none, second call")
plant_cell("own-cell-returns-old-c", CellReturnsOldC, "gate.one_step time.memory agree.*", "LSTMCell, any")
plant_cell("own-cell-unbatched-hx", CellUnbatchedIgnoresState, "batch.unbatched state.used", "unbatched, hx random")
