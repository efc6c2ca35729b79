"""More bugs that nobody reported, each where two or three conditions meet."""

import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from tests.mutants.clean.base import GRU, LSTM
from tests.mutants.registry import plant


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


@plant("own-dropout-in-place-without-gradients", "mode.dropout_between_layers", "dropout, train, no_grad")
class DropoutInPlaceWithoutGradients(LSTM):
    """Without gradients dropout writes into the outputs, of which the final states are views."""

    def one_direction(self, x, state, layer, direction, lengths):
        y, final = super().one_direction(x, state, layer, direction, lengths)
        shared = not torch.is_grad_enabled() and direction == 0 and lengths is None and len(y) > 0
        return y, (y[-1], *final[1:]) if shared else final

    def join(self, outputs):
        return outputs[0] if len(outputs) == 1 else super().join(outputs)

    def between(self, x):
        if torch.is_grad_enabled() or not self.training or self.dropout == 0:
            return super().between(x)
        return F.dropout(x, self.dropout, inplace=True)


@plant("own-nan-cell-restarts", "numeric.nan_in_state", "LSTM, NaN in c_0")
class NanCellRestarts(LSTM):
    """A NaN in the initial cell state is taken for a state that was never set, and becomes 0."""

    def initial_state(self, x, state):
        h, c = super().initial_state(x, state)
        return h, torch.where(c.isnan(), 0, c)


@plant("own-eval-folds-biases", "life.machine", "eval(), with biases")
class EvalFoldsBiases(LSTM):
    """eval() adds bias_hh to bias_ih and sets it to 0, which saves an addition."""

    def train(self, mode=True):
        for w in (self.weights(k, d) for k in range(self.num_layers) for d in range(self.directions)):
            if not mode and w.b_ih is not None:
                with torch.no_grad():
                    w.b_ih.add_(w.b_hh)
                    w.b_hh.zero_()
        return super().train(mode)


@plant("own-reset-misses-reverse", "weights.reset", "bidirectional, reset_parameters() called again")
class ResetParametersMissesReverse(GRU):
    """reset_parameters() goes over the forward direction only, unless it is the first time."""

    drawn = False

    def reset_parameters(self):
        bound = 1 / math.sqrt(self.hidden_size)
        for name, parameter in self.named_parameters():
            if not (self.drawn and name.endswith("_reverse")):
                nn.init.uniform_(parameter, -bound, bound)
        self.drawn = True


@plant("own-wide-kernel-loses-bias", "agree.forward", "batch >= 32, hidden >= 32")
class WideKernelLosesBias(GRU):
    """The kernel for wide batches of wide layers adds one bias only."""

    def from_hidden(self, h, w):
        wide = h.shape[0] >= 32 and self.hidden_size >= 32
        return F.linear(h, w.hh) if wide else super().from_hidden(h, w)


@plant("own-frozen-weight-freezes-bias", "gradient.any_requires_grad", "weight_ih frozen, bias_ih not, x without gradient")
class FrozenWeightFreezesBias(LSTM):
    """Where neither the weight nor the input needs a gradient, the product is made without, and its bias with it."""

    def from_input(self, x, w):
        if w.ih.requires_grad or x.requires_grad:
            return super().from_input(x, w)
        with torch.no_grad():
            return super().from_input(x, w)
