"""The masks of dropout: drawn when, for which numbers, and from which random state."""

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from tests.mutants.clean.base import GRU, LSTM, RNN
from tests.mutants.registry import plant

IN_TRAINING = "num_layers >= 2, dropout, train"


@plant("mask-not-resampled", "mode.dropout_between_layers", IN_TRAINING + ", second call")
class MaskKept(GRU):
    """Every training call uses the mask of the first (tensorflow/tensorflow#29391)."""

    mask = None

    def between(self, x):
        if not self.training or not self.dropout:
            return x
        if self.mask is None or self.mask.shape != x.shape:
            self.mask = F.dropout(torch.ones_like(x), self.dropout).detach()
        return x * self.mask.to(x)


@plant("miopen-second-step-all-drop", "mode.dropout_between_layers life.machine", IN_TRAINING + ", second call")
class SecondStepDropsAll(LSTM):
    """From the second training step on the mask is all zero (pytorch/pytorch#189285)."""

    used = False

    def between(self, x):
        again, self.used = self.used, self.used or self.training
        return x * 0 if again and self.training and self.dropout else super().between(x)


GENERATOR = torch.Generator().manual_seed(0)


@plant("dropout-state-ignores-seed", "mode.repeatable", IN_TRAINING + ", same seed twice")
class SeedIgnored(GRU):
    """The masks come from a state that the process made once: manual_seed changes nothing (pytorch/pytorch#74177)."""

    def between(self, x):
        if not self.training or not self.dropout:
            return x
        keep = torch.rand(x.shape, generator=GENERATOR).to(x.device) >= self.dropout
        return torch.where(keep, x / (1 - self.dropout), 0) if self.dropout < 1 else x * 0


@plant("dropout-scheme-depends-on-flags", "mode.dropout_between_layers", IN_TRAINING + ", batch_first, time >= 2")
class OneMaskForAllStepsIfBatchFirst(LSTM):
    """Which values share a mask depends on another flag (keras-team/keras#20656).

    Here one mask serves all steps if batch_first is set.
    """

    def between(self, x):
        if not self.batch_first or not self.training:
            return super().between(x)
        return x * F.dropout(torch.ones_like(x[0]), self.dropout)


@plant("own-random-state-consumed", "mode.rng", "num_layers >= 2, dropout 0 or eval")
class RandomNumbersConsumed(GRU):
    """A mask is drawn at each call, used or not."""

    def between(self, x):
        scale = F.dropout(torch.ones_like(x), self.dropout or 0.5)
        return x * scale if self.training and self.dropout else x


@plant("own-dropout-per-sequence", "mode.dropout_between_layers", IN_TRAINING + ", batch >= 2")
class OneMaskForTheBatch(RNN):
    """All sequences of a batch share one mask."""

    def between(self, x):
        return x * F.dropout(torch.ones_like(x[:, :1]), self.dropout) if self.training and self.dropout else x


@plant("own-masks-of-four-words", "mode.dropout_between_layers", "num_layers >= 2, dropout, train, more than 4 values")
class MasksOfFourWords(GRU):
    """The generator makes four numbers at a time, and these four serve the whole tensor."""

    def between(self, x):
        if not self.training or not self.dropout:
            return x
        words = F.dropout(x.new_ones(4), self.dropout)
        return x * words.repeat(-(-x.numel() // 4))[: x.numel()].view_as(x)


@plant("own-masks-of-rows-in-turn", "mode.dropout_between_layers", "num_layers >= 2, dropout, train, batch > 32")
class MasksOfRowsInTurn(LSTM):
    """A mask is drawn for 32 sequences, and those after them get it again."""

    def between(self, x):
        if not self.training or not self.dropout:
            return x
        mask = F.dropout(torch.ones_like(x[:, :32]), self.dropout)
        return x * mask.repeat(1, -(-x.shape[1] // 32), 1)[:, : x.shape[1]]


@plant("own-checkpoint-forgets-mask", "mode.dropout_gradient", "dropout, train, backward")
class CheckpointForgetsMask(GRU):
    """Backward computes the layers again, and draws another dropout mask for it."""

    def between(self, x):
        if not (self.training and self.dropout > 0 and torch.is_grad_enabled()):
            return super().between(x)
        return checkpoint(super().between, x, use_reentrant=False, preserve_rng_state=False)


@plant("own-one-mask-for-packed-steps", "mode.dropout_between_layers", "dropout, train, packed unequal")
class OneMaskForPackedSteps(LSTM):
    """The packed rows of all steps get one mask, which is drawn for a single row; of equal lengths each gets its own."""

    lengths = None

    def run(self, x, state, lengths):
        self.lengths = lengths
        return super().run(x, state, lengths)

    def between(self, x):
        unequal = self.lengths is not None and len(self.lengths.unique()) > 1
        if not (unequal and self.training and 0 < self.dropout < 1):
            return super().between(x)
        return x * F.dropout(torch.ones_like(x[:1, :1]), self.dropout)
