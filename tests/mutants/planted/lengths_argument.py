"""Layers that take padded input and its lengths as a third argument, and what goes wrong in them."""

import torch
from torch import nn

from tests.mutants.clean.base import GRU, LSTM
from tests.mutants.registry import Mutant, add


class TakesLengths:
    """Mixed into a Layer: forward(input, hx, lengths); the output is 0 after the end of each sequence."""

    def forward(self, input, hx=None, lengths=None):
        if lengths is None:
            return super().forward(input, hx)
        self.check_input(input)
        x, lengths = self.time_major(input), lengths.to(input.device)
        self.check_lengths(x, lengths)
        state = self.initial_state(x, self.batched_state(hx, input))
        y, final = self.run(self.without_padding(x, lengths), state, lengths)
        return self.user_layout(self.after_the_end(y, lengths)), self.result_state(final)

    def check_lengths(self, x, lengths):
        if lengths.shape != (x.shape[1],) or bool((lengths < 0).any()) or bool((lengths > len(x)).any()):
            raise ValueError(f"lengths should be {x.shape[1]} numbers from 0 to {len(x)}, got {lengths.tolist()}")

    def without_padding(self, x, lengths):
        """x with its padding replaced by 0: what was there may be NaN, which a mask alone would let into gradients."""
        return torch.where(self.inside(x, lengths), x, 0)

    def after_the_end(self, y, lengths):
        return torch.where(self.inside(y, lengths), y, 0)

    def inside(self, x, lengths):
        """(time, batch, 1), True within each sequence."""
        return (torch.arange(len(x), device=x.device).unsqueeze(1) < lengths).unsqueeze(2)


class GRUWithLengths(TakesLengths, GRU):
    """A GRU that takes lengths."""


class LSTMWithLengths(TakesLengths, LSTM):
    """An LSTM that takes lengths."""


def plant_lengths(bug, kills, needs):
    """Declare the decorated class as a layer with lengths that has this bug."""

    def declare(target):
        clean, like = (LSTMWithLengths, nn.LSTM) if issubclass(target, LSTM) else (GRUWithLengths, nn.GRU)
        add(Mutant(bug, target, "lengths", like, clean, tuple(kills.split()), needs, ("script",)))
        return target

    return declare


@plant_lengths("own-lengths-stale-output", "lengths.module lengths.zero", "unequal lengths")
class StaleOutputAfterTheEnd(LSTMWithLengths):
    """After its end a sequence repeats its last output, where zeros are promised (tensorflow/tensorflow#49241)."""

    def after_the_end(self, y, lengths):
        return y


@plant_lengths("own-lengths-cut-to-longest", "lengths.module", "every length below the padded time")
class OutputCutToLongest(GRUWithLengths):
    """The output is as long as the longest sequence, not as the padded input (pytorch/pytorch#184961)."""

    def after_the_end(self, y, lengths):
        return super().after_the_end(y, lengths)[: int(lengths.max())] if len(lengths) else y


@plant_lengths("own-lengths-zero-reads-last", "lengths.zero", "a length of 0")
class LengthZeroReadsLastStep(GRUWithLengths):
    """The final state is read at index length - 1, which for a length of 0 is the last step of the padding."""

    def loop(self, x, state, w, lengths):
        y, final = super().loop(x, state, w, None)
        if lengths is None:
            return y, final
        rows = torch.arange(x.shape[1], device=x.device)
        return y, (y[lengths - 1, rows],)


@plant_lengths("own-lengths-zero-refused-vaguely", "lengths.zero", "a length of 0")
class LengthZeroRefusedVaguely(LSTMWithLengths):
    """A length of 0 is refused by an assertion that says nothing."""

    def check_lengths(self, x, lengths):
        super().check_lengths(x, lengths)
        assert bool((lengths > 0).all())


@plant_lengths("own-lengths-fast-path", "lengths.module lengths.each_alone", "one sequence of full length among shorter ones")
class FastPathIfAnyIsFull(LSTMWithLengths):
    """The path without a mask is chosen if any sequence is full, not if all are (tensorflow/tensorflow#36139)."""

    def run(self, x, state, lengths):
        full = lengths is not None and len(lengths) > 0 and int(lengths.max()) == len(x)
        return super().run(x, state, None if full else lengths)


@plant_lengths("own-lengths-mask-by-product", "lengths.module lengths.padding_ignored", "NaN in the padding")
class PaddingMaskedByProduct(GRUWithLengths):
    """The padding is multiplied by zero: NaN in it stays NaN."""

    def without_padding(self, x, lengths):
        return x * self.inside(x, lengths)

    def hold(self, new, old, t, lengths):
        if lengths is None:
            return new
        on = (t < lengths).unsqueeze(1).to(new[0])
        return tuple(on * n + (1 - on) * o for n, o in zip(new, old, strict=True))


@plant_lengths("own-lengths-batch-first", "lengths.module layout.batch_first", "batch_first")
class LengthsTransposedTwice(LSTMWithLengths):
    """Given lengths, a batch-first input is transposed twice (keras-team/keras#15756)."""

    def without_padding(self, x, lengths):
        x = super().without_padding(x, lengths)
        return x.transpose(0, 1).reshape(x.shape) if self.batch_first else x
