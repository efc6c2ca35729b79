"""The equations of the cells: gates, candidates, and how they are put together."""

import torch

from tests.mutants.clean.base import GRU, LSTM, RNN
from tests.mutants.registry import plant


@plant("gates-i-f-swapped", "gate.latch gate.one_step agree.*", "LSTM")
class InputAndForgetGateSwapped(LSTM):
    """Input and forget gates are exchanged; every shape and range is right (NX-AI/xlstm#98)."""

    def split(self, rows):
        f, i, g, o = super().split(rows)
        return i, f, g, o


@plant("chunk-order-i-f-o-g", "agree.against gate.latch gate.one_step agree.*", "LSTM")
class GateOrderIFOG(LSTM):
    """The rows are cut in the order i, f, o, g, so torch's weights mean something else (pytorch/pytorch#11335)."""

    def split(self, rows):
        i, f, o, g = super().split(rows)
        return i, f, g, o


@plant("add-instead-of-mul", "gate.latch gate.state_bound gate.one_step agree.*", "LSTM")
class InputGateAdded(LSTM):
    """The input gate is added to the candidate instead of multiplied (MartinuzziFrancesco/torchrecurrent#22)."""

    def new_c(self, i, f, g, c):
        return f * c + (i + g)


@plant("peephole-after-sigmoid", "gate.range gate.latch gate.state_bound agree.*", "LSTM, c of some size")
class PeepholeAfterSigmoid(LSTM):
    """The peephole is added behind the nonlinearity: the output gate leaves [0, 1] (Lasagne/Lasagne#448)."""

    def new_h(self, o, c):
        return super().new_h(o + 0.1 * c, c)


@plant("reset-before-vs-after", "gate.one_step gate.torch_cell agree.*", "GRU, h_0 not zero or time >= 2")
class ResetBeforeTheProduct(GRU):
    """The reset gate is applied to h before the product, not to the product (tracel-ai/burn#2701)."""

    def cell(self, x, state, w):
        (h,) = state
        r_x, z_x, n_x = self.split(self.from_input(x, w))
        r_h, z_h, _ = self.split(self.from_hidden(h, w))
        r, z = torch.sigmoid(r_x + r_h), torch.sigmoid(z_x + z_h)
        n_h = self.split(self.from_hidden(r * h, w))[2]
        return (self.blend(z, torch.tanh(n_x + n_h), h),)


@plant("stabiliser-or-normaliser-missing", "numeric.* gate.latch", "LSTM, large input or weights")
class ExponentialsNotStabilised(LSTM):
    """A gate made of exponentials lacks the running maximum: large sums give NaN (muditbhargava66/PyxLSTM#15)."""

    def gates(self, x, h, w):
        _, f, g, o = super().gates(x, h, w)
        e = torch.exp(self.split(self.from_input(x, w) + self.from_hidden(h, w))[0])
        return e / (1 + e), f, g, o


@plant("own-update-gate-swapped", "gate.latch gate.one_step gate.torch_cell agree.*", "GRU")
class UpdateGateTheOtherWay(GRU):
    """z and 1 - z change places: the convention of Cho et al., which torch does not follow."""

    def blend(self, z, n, h):
        return super().blend(1 - z, n, h)


@plant("own-stretched-gate", "gate.range gate.blend gate.state_bound gate.latch agree.*", "GRU")
class StretchedGateNotClamped(GRU):
    """A hard-concrete gate is stretched beyond [0, 1], and the clamp is forgotten."""

    def blend(self, z, n, h):
        return super().blend(1.2 * z - 0.1, n, h)


@plant("own-hard-sigmoid", "gate.closed_form gate.one_step weights.alive agree.*", "LSTM")
class HardSigmoidForgetGate(LSTM):
    """The forget gate uses the hard sigmoid that was once the default of Keras; it stays in [0, 1]."""

    def gates(self, x, h, w):
        i, _, g, o = super().gates(x, h, w)
        a = self.split(self.from_input(x, w) + self.from_hidden(h, w))[1]
        return i, (0.2 * a + 0.5).clamp(0, 1), g, o


@plant("own-scaled-tanh", "gate.candidate_range gate.state_bound agree.*", "GRU")
class ScaledTanhCandidate(GRU):
    """The candidate uses LeCun's 1.7159 tanh(2/3 x): it leaves [-1, 1]."""

    def candidate(self, n_x, r, n_h):
        return 1.7159 * torch.tanh(2 / 3 * (n_x + r * n_h))


@plant("own-forget-bias-at-run-time", "gate.closed_form gate.one_step agree.*", "LSTM")
class ForgetBiasAddedAtRunTime(LSTM):
    """TensorFlow's forget_bias=1.0 is added in the step, on top of the biases."""

    def split(self, rows):
        i, f, g, o = super().split(rows)
        return i, f + 1, g, o


@plant("own-output-without-tanh", "gate.state_bound gate.closed_form gate.one_step agree.*", "LSTM")
class OutputWithoutTanh(LSTM):
    """h = o c: the tanh of the cell state is missing, so h is not bounded."""

    def new_h(self, o, c):
        return o * c


@plant("own-leaky-relu", "gate.state_bound gate.one_step agree.*", "RNN with nonlinearity='relu'")
class LeakyRelu(RNN):
    """'relu' is a leaky one: the states can be negative."""

    def activation(self, a):
        return super().activation(a) if self.nonlinearity == "tanh" else torch.nn.functional.leaky_relu(a, 0.01)


@plant("own-cell-clipped", "gate.latch numeric.extreme agree.*", "LSTM, abs(c) > 3")
class CellStateClipped(LSTM):
    """The cell state is clipped to [-3, 3], as some speech recognisers do, without being asked to."""

    def new_c(self, i, f, g, c):
        return super().new_c(i, f, g, c).clamp(-3, 3)


@plant("own-coupled-gates", "gate.latch gate.one_step weights.alive agree.*", "LSTM, layers above the first")
class CoupledGatesInUpperLayers(LSTM):
    """Layers above the first couple the gates, i = 1 - f; the rows of the input gate are dead."""

    def one_direction(self, x, state, layer, direction, lengths):
        self.coupled = layer > 0
        return super().one_direction(x, state, layer, direction, lengths)

    def new_c(self, i, f, g, c):
        return super().new_c(1 - f if self.coupled else i, f, g, c)


@plant("own-tanh-after-projection", "gate.one_step agree.*", "LSTM, proj_size")
class TanhAfterProjection(LSTM):
    """The projected state passes through a tanh once more; without a projection all is well."""

    def project(self, h, w):
        return h if w.hr is None else torch.tanh(super().project(h, w))


@plant("own-linear-near-zero", "gate.one_step agree.* gate.candidate_range", "RNN, abs(sum) < 0.05")
class TanhReplacedNearZero(RNN):
    """A fast tanh is linear where the sum is small: exact at 0, and off by up to 4e-5 next to it."""

    def activation(self, a):
        exact = super().activation(a)
        return torch.where(a.abs() < 0.05, a, exact) if self.nonlinearity == "tanh" else exact


@plant("own-bf16-product", "agree.* gate.one_step", "float32 or float64")
class ProductRoundedToBfloat16(GRU):
    """The recurrent product is rounded to bfloat16 whatever the dtype: a fast path that was meant for autocast."""

    def from_hidden(self, h, w):
        exact = super().from_hidden(h, w)
        return exact + (exact.detach().to(torch.bfloat16).to(exact) - exact.detach())


@plant("own-cell-clipped-at-ten", "gate.latch gate.range agree.*", "LSTM, abs(c) > 10")
class CellClippedAtTen(LSTM):
    """The memory cell is clipped at 10, as TensorFlow's cell_clip and ONNX's clip do where they are asked to."""

    def cell(self, x, state, w):
        h, c = super().cell(x, state, w)
        return h, c.clamp(-10, 10)
