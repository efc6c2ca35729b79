"""Values that are swallowed, bent or made up."""

import torch

from tests.mutants.clean.base import GRU, LSTM, RNN
from tests.mutants.registry import extra, plant


@plant("own-nan-to-num", "numeric.nan_stays batch.poisoned", "NaN or inf in the input")
class NanReplacedByZero(GRU):
    """NaN and inf in the input become numbers, and nobody hears of them."""

    def run(self, x, state, lengths):
        return super().run(torch.nan_to_num(x), state, lengths)


@plant("own-input-clamped", "numeric.extreme agree.forward agree.*", "input above 10")
class InputClamped(LSTM):
    """The input is clamped to [-10, 10]."""

    def run(self, x, state, lengths):
        return super().run(x.clamp(-10, 10), state, lengths)


@plant("own-nan-spreads-over-batch", "batch.poisoned numeric.nan_stays", "NaN in one sequence of a batch")
class NanSpreadsOverBatch(RNN):
    """A check sum over the whole input is added with weight zero: a NaN in one sequence is in all."""

    def run(self, x, state, lengths):
        return super().run(x + 0 * x.sum(), state, lengths)


@plant("own-nan-not-carried", "numeric.nan_stays", "NaN in the input, later steps")
class NanRestartsState(LSTM):
    """A state that is not finite is set back to zero."""

    def hold(self, new, old, t, lengths):
        new = super().hold(new, old, t, lengths)
        return tuple(torch.where(torch.isfinite(s), s, 0) for s in new)


@plant("own-tanh-from-exponentials", "numeric.* gate.latch agree.dtype", "sums above 44 (float32)")
class TanhFromExponentials(GRU):
    """tanh is made of exponentials that overflow: inf / inf."""

    def candidate(self, n_x, r, n_h):
        e = torch.exp(2 * (n_x + r * n_h))
        return (e - 1) / (e + 1)


@plant("own-logarithm-of-gate", "numeric.extreme gate.latch gradient.*", "c = 0, or a forget gate that closes entirely")
class CellThroughLogarithms(LSTM):
    """f c is computed as exp(log f + log |c|): a gate of exactly zero and a state of zero give NaN gradients."""

    def new_c(self, i, f, g, c):
        return c.sign() * torch.exp(torch.log(f) + torch.log(c.abs())) + i * g


@plant("own-subnormal-states-flushed", "numeric.extreme gate.closed_form state.used", "states below 1e-6")
class SmallStatesFlushed(LSTM):
    """Cell states below 1e-6 are set to zero."""

    def new_c(self, i, f, g, c):
        c = super().new_c(i, f, g, c)
        return torch.where(c.abs() < 1e-6, c * 0, c)


@plant("own-decay-with-time", "numeric.finite time.split gate.latch agree.*", "long sequences")
class CellDecays(LSTM):
    """The cell state loses one part in a thousand at each step: seen over long sequences."""

    def new_c(self, i, f, g, c):
        return super().new_c(i, f, g, c) * 0.999


@plant("own-nan-in-state-cleaned", "numeric.nan_in_state", "a NaN in hx")
class StateCleanedOfNan(GRU):
    """NaN in the initial state becomes 0, and a broken carry goes on as if nothing had been."""

    def initial_state(self, x, state):
        return tuple(torch.nan_to_num(s) for s in super().initial_state(x, state))


@plant("own-nan-cell-restarts", "numeric.nan_in_state", "LSTM, NaN in c_0")
class NanCellRestarts(LSTM):
    """A NaN in the initial cell state is taken for a state that was never set, and becomes 0."""

    def initial_state(self, x, state):
        h, c = super().initial_state(x, state)
        return h, torch.where(c.isnan(), 0, c)


@plant("own-relu-cut-at-100", "numeric.extreme agree.forward", "relu, values above 100")
class ReluCutAt100(RNN):
    """relu is cut off at 100."""

    def activation(self, a):
        return super().activation(a).clamp(max=100)


@extra("own-scale-grows-with-time", "numeric.finite numeric.finite_gradient", "LSTM, some hundred steps")
class ScaleGrowsWithTime(LSTM):
    """The cell state is kept times 2^t, for a numerator, and divided at each step: after some hundred steps inf / inf.

    The normaliser of exponential gates without its running maximum does the same (muditbhargava66/PyxLSTM#15).
    """

    def loop(self, x, state, w, lengths):
        h, c = state
        outputs, scale = [], torch.ones((), dtype=x.dtype, device=x.device)
        for t, x_t in enumerate(x.unbind(0)):
            scale = scale * 2
            (new_h, new_c) = self.cell(x_t, (h, c), w)
            h, c = self.hold((new_h, new_c * scale / scale), (h, c), t, lengths)
            outputs.append(h)
        return self.collect(outputs), (h, c)
