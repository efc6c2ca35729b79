"""Bugs that show only in fresh memory; and right layers that break what is claimed bit for bit, for how they round depends."""

import torch
from torch import nn

from tests.mutants.clean.base import GRU, LSTM, RNN
from tests.mutants.registry import Mutant


class StateZeroedByProduct(GRU):
    """The default state is fresh memory times zero, which is zero unless there is a NaN in it."""

    def default_state(self, x):
        return tuple(x.new_empty(h.shape) * 0 for h in super().default_state(x))


class OutputMaskedByProduct(LSTM):
    """Every output is its own number plus fresh memory times zero."""

    def collect(self, outputs):
        return super().collect(outputs) + 0 * torch.empty_like(outputs[0])


class _RoundsUp(RNN):
    """The sums are one unit in the last place larger where ``up`` says so: right, and rounded otherwise."""

    up = False

    def from_input(self, x, w):
        whole = super().from_input(x, w)
        return torch.nextafter(whole, whole + 1) if self.up else whole


class TermByTerm(RNN):
    """Every sum is made term by term, in one order, whatever the batch: what claims to be batch invariant may be made so."""

    def from_input(self, x, w):
        return self.sum(x, w.ih, w.b_ih)

    def from_hidden(self, h, w):
        return self.sum(h, w.hh, w.b_hh)

    def sum(self, values, weight, bias):
        whole = values.new_zeros(len(values), len(weight)) if bias is None else bias.expand(len(values), -1)
        for column, of_weight in zip(values.unbind(-1), weight.unbind(-1), strict=True):
            whole = whole + column.unsqueeze(-1) * of_weight
        return whole


class RoundsByBatch(_RoundsUp):
    """How a sequence's numbers are rounded depends on how many sequences there are."""

    def run(self, x, state, lengths):
        self.up = x.shape[1] > 1
        return super().run(x, state, lengths)


class RoundsByTime(_RoundsUp):
    """How a step's numbers are rounded depends on how many steps there are."""

    def run(self, x, state, lengths):
        self.up = len(x) > 2
        return super().run(x, state, lengths)


class _EverySecondTime(torch.autograd.Function):
    """The identity; its gradient is rounded up every second time, as sums in no fixed order may be."""

    times = 0

    @staticmethod
    def forward(ctx, a):
        return a.clone()

    @staticmethod
    def backward(ctx, d):
        _EverySecondTime.times += 1
        return d if _EverySecondTime.times % 2 else d * (1 + 2 * torch.finfo(d.dtype).eps)


class SumsInAnyOrder(GRU):
    """The gradient's last bits depend on how often backward has run."""

    def collect(self, outputs):
        return _EverySecondTime.apply(super().collect(outputs))


def _extra(target, like, clean, kills, needs):
    return Mutant(target.__name__, target, "layer", like, clean, (kills,), needs, ("script", "jvp", "vmap"))


EXTRA = {
    "own-zeroed-by-product": _extra(StateZeroedByProduct, nn.GRU, GRU, "layout.fresh_memory", "hx none"),
    "own-added-to-fresh-memory": _extra(OutputMaskedByProduct, nn.LSTM, LSTM, "layout.fresh_memory", "any"),
    "own-rounds-by-batch": _extra(RoundsByBatch, nn.RNN, RNN, "batch.invariant", "batch >= 2"),
    "own-rounds-by-time": _extra(RoundsByTime, nn.RNN, RNN, "time.in_pieces", "time >= 3"),
    "own-sums-in-any-order": _extra(SumsInAnyOrder, nn.GRU, GRU, "gradient.repeatable", "backward twice"),
}
CORRECT = {"term-by-term": _extra(TermByTerm, nn.RNN, RNN, "batch.invariant", "none")}
"""What holds all of it."""
