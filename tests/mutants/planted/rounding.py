"""Right layers that break what is claimed bit for bit, since how they round depends on what it should not."""

import torch
from torch import nn

from tests.mutants.clean.base import GRU, RNN
from tests.mutants.registry import Mutant, extra

BIT_FOR_BIT = "script jvp vmap"
"""What layers with these claims do not offer."""


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


@extra("own-rounds-by-batch", "batch.invariant", "batch >= 2", BIT_FOR_BIT)
class RoundsByBatch(_RoundsUp):
    """How a sequence's numbers are rounded depends on how many sequences there are."""

    def run(self, x, state, lengths):
        self.up = x.shape[1] > 1
        return super().run(x, state, lengths)


@extra("own-rounds-by-time", "time.in_pieces", "time >= 3", BIT_FOR_BIT)
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


@extra("own-sums-in-any-order", "gradient.repeatable", "backward twice", BIT_FOR_BIT)
class SumsInAnyOrder(GRU):
    """The gradient's last bits depend on how often backward has run."""

    def collect(self, outputs):
        return _EverySecondTime.apply(super().collect(outputs))


CORRECT = {
    "term-by-term": Mutant(
        "term-by-term", TermByTerm, "layer", nn.RNN, RNN, ("batch.invariant",), "none", tuple(BIT_FOR_BIT.split())
    ),
}  # fmt: skip
"""What holds all of it."""
