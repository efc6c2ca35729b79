"""Bugs that only an accelerator's ways show: captured graphs, weights anywhere in memory, more than 16 bits can count."""

import torch

from tests.mutants.clean.base import GRU, LSTM
from tests.mutants.planted.long_sequences import EXTRA, extra
from tests.mutants.planted.memory import as_contiguous

__all__ = ["EXTRA"]


@extra("own-projection-kept-for-the-same-tensor", "agree.captured", "captured, then other numbers in the same tensor")
class ProjectionKeptForTheSameTensor(GRU):
    """What the input gives is kept as long as the input is the same tensor, unwritten: Python does not see a replay."""

    kept = None

    def forward(self, input, hx=None):
        if self.kept is None or self.kept[0] is not input or self.kept[1] != input._version or self.kept[2] is not hx:
            self.kept = input, input._version, hx, super().forward(input, hx)
        output, state = self.kept[3]
        return output.clone(), state.clone()


@extra("own-synchronizes", "agree.captured", "captured")
class SkipsZeroInput(LSTM):
    """Input of nothing but zeros has a short way: to know that, the device is waited for."""

    def run(self, x, state, lengths):
        if x.numel() and float(x.detach().abs().max()) == 0.0:
            x = torch.zeros_like(x)
        return super().run(x, state, lengths)


@extra("own-weights-assumed-contiguous", "weights.scattered", "parameters strided or transposed in memory")
class WeightsAssumedContiguous(GRU):
    """The weights are read from memory as if they were contiguous."""

    def weight(self, name, layer, direction):
        parameter = super().weight(name, layer, direction)
        return None if parameter is None else as_contiguous(parameter)


@extra("own-sequences-counted-in-16-bits", "batch.many", "more than 65,536 sequences")
class SequencesCountedIn16Bits(LSTM):
    """The index of a sequence is cut to 16 bits: what comes after is what the first ones are."""

    def run(self, x, state, lengths):
        index = torch.arange(x.shape[1]) % 2**16
        return super().run(x[:, index], state, lengths)


@extra("own-steps-limited", "numeric.many_steps", "more steps than the limit")
class StepsLimited(GRU):
    """Beyond a limit the state no longer changes."""

    limit = 2**16 - 1

    def run(self, x, state, lengths):
        y, states = super().run(x[: self.limit], state, lengths)
        left = len(x) - len(y)
        return torch.cat([y, y[-1:].expand(left, -1, -1)]) if left else y, states
