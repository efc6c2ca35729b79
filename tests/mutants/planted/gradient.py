"""Backward passes written by hand that are wrong; the forward pass of all of these is right."""

import torch

from tests.mutants.clean.base import LSTM
from tests.mutants.clean.by_hand import Function, GRUScan, HandGRU, HandLSTM, LSTMScan
from tests.mutants.registry import plant


class _PackedData(torch.autograd.Function):
    """The identity, with a backward that returns one gradient for each of four inputs; there are two."""

    @staticmethod
    def forward(ctx, data, lengths):
        return data.clone()

    @staticmethod
    def backward(ctx, d):
        return (d,) * 4


@plant("pack-backward-arity", "gradient.* lengths.* batch.gradient_alone", "packed, backward")
class PackBackwardReturnsTooMany(LSTM):
    """Any backward through packing raises: too many gradients are returned (fla-org/flash-linear-attention#1258)."""

    def pack(self, y, lengths, packed):
        return super().pack(_PackedData.apply(y, lengths), lengths, packed)


class _FirstMaskScan(GRUScan):
    def share_out(self, d_state, running, t):
        return super().share_out(d_state, running, 0)


@plant("zoneout-first-mask", "lengths.* batch.gradient_alone gradient.reference", "packed, unequal lengths, backward")
class BackwardUsesFirstMask(HandGRU):
    """The backward uses the mask of the first step for all (lmnt-com/haste#43); here of the sequences still running."""

    scan = _FirstMaskScan()


class _OutputAsInput(GRUScan):
    def weight_gradients(self, d_rows_x, d_rows_h, d_h, x, states, gates, w):
        return super().weight_gradients(d_rows_x, d_rows_h, d_h, states[0][1:], states, gates, w)


@plant("middle-layer-weight-grad", "gradient.reference gradient.numerical", "num_layers >= 3, one direction")
class MiddleLayerGradientFromOutput(HandGRU):
    """weight_ih of the middle layers gets its gradient from the layer's output, not its input (apache/mxnet#18203)."""

    def one_direction(self, x, state, layer, direction, lengths):
        middle = 0 < layer < self.num_layers - 1 and self.directions == 1
        self.scan = _OutputAsInput() if middle else GRUScan()
        return super().one_direction(x, state, layer, direction, lengths)


class _FirstStepFirst(GRUScan):
    def order(self, time):
        return range(time)


@plant("while-loop-gradient-order", "gradient.* batch.gradient_alone", "time >= 2, backward")
class JacobiansInForwardOrder(HandGRU):
    """The steps' Jacobians are combined in the order of the forward pass (elixir-nx/axon#646)."""

    scan = _FirstStepFirst()


class _InputGateForCandidate(LSTMScan):
    def through_c(self, d_c, i, g, c):
        return d_c * i, d_c * c, d_c * i


@plant("di-uses-i", "gradient.reference gradient.numerical", "LSTM, backward")
class InputGateGradientUsesItself(HandLSTM):
    """dc/di is taken as i instead of g (wvabrinskas/Neuron#181, first bug)."""

    scan = _InputGateForCandidate()


class _StateAfterStep(LSTMScan):
    def previous_h(self, states):
        return states[0][1:]


@plant("weight-grad-uses-ht", "gradient.reference gradient.numerical", "backward")
class RecurrentGradientUsesNewState(HandLSTM):
    """The gradient of weight_hh is built with h_t, not h_(t-1) (wvabrinskas/Neuron#181, third bug)."""

    scan = _StateAfterStep()


class _OneStepOnly(GRUScan):
    def over_time(self, d_rows, inputs):
        return super().over_time(d_rows[:1], inputs[:1])


@plant("last-step-gradient-only", "gradient.reference gradient.numerical gradient.split", "time >= 2, backward")
class WeightGradientOfOneStep(HandGRU):
    """The weights' gradients are assigned at each step instead of added up (tensorflow/swift-apis#518)."""

    scan = _OneStepOnly()


class _GradientsExpected(Function):
    @staticmethod
    def forward(ctx, *arguments):
        ctx.set_materialize_grads(False)
        return Function.forward(ctx, *arguments)


@plant("unused-output-crash", "gradient.every_output", "a loss of a part of the outputs")
class UnusedOutputCrashes(HandLSTM):
    """The backward crashes if only h_n, or only the output, is in the loss (pytorch/pytorch#96416)."""

    function = _GradientsExpected


class _Forgetful(Function):
    @staticmethod
    def forward(ctx, *arguments):
        ctx.used = False
        return Function.forward(ctx, *arguments)

    @staticmethod
    def backward(ctx, *d):
        if ctx.used:
            raise RuntimeError("the buffers of this pass are freed")
        ctx.used = True
        return Function.backward(ctx, *d)


@plant("second-backward", "gradient.accumulates", "backward twice, retain_graph")
class BuffersFreedByBackward(HandGRU):
    """A second backward through the same graph fails, asked to retain it or not (pytorch/pytorch#777)."""

    function = _Forgetful


@plant("eval-mode-backward", "gradient.eval_is_train", "eval, backward")
class NoBackwardInEval(HandLSTM):
    """There is no backward in eval() (pytorch/pytorch#5878)."""

    def run(self, x, state, lengths):
        y, state = super().run(x, state, lengths)
        if not self.training and y.requires_grad:
            y.register_hook(self.refuse)
        return y, state

    @staticmethod
    def refuse(d):
        raise RuntimeError("RNN backward can only be called in training mode")


class _RawGatesCached(LSTMScan):
    def cache(self, i, f, g, o):
        return torch.cat([torch.logit(i), torch.logit(f), g, torch.logit(o)], -1)


@plant("cache-pre-vs-post-activation", "gradient.reference gradient.numerical", "LSTM, backward")
class RawGatesReadAsActivations(HandLSTM):
    """The forward stores raw sums, the backward reads them as activations (flagos-ai/FlagGems#5014)."""

    scan = _RawGatesCached()


class _EverySecondState(GRUScan):
    def states_at(self, states, t):
        return super().states_at(states, t - t % 2 if len(states[0]) > 5 else t)


@plant("chunk-size-gradient", "gradient.reference gradient.numerical gradient.split", "time > 4, backward")
class EverySecondStateStored(HandGRU):
    """Beyond a chunk, here 4 steps, the backward finds fewer states than it expects (NX-AI/mlstm_kernels#10)."""

    scan = _EverySecondState()


class _BiasRead(LSTMScan):
    def backward(self, d_y, d_final, x, running, states, gates, w):
        biases = len(w.b_ih) + len(w.b_hh)
        assert biases == 2 * gates.shape[-1]
        return super().backward(d_y, d_final, x, running, states, gates, w)


@plant("zero-bias-graph", "gradient.*", "bias=False, backward")
class BackwardReadsMissingBias(HandLSTM):
    """The backward indexes the parameters as if the biases were there (pytorch/pytorch#94889)."""

    scan = _BiasRead()


class _NoCellGradient(LSTMScan):
    def backward(self, d_y, d_final, *rest):
        return super().backward(d_y, (d_final[0], torch.zeros_like(d_final[1])), *rest)


@plant("own-final-cell-gradient-dropped", "gradient.every_output gradient.split", "LSTM, c_n in the loss")
class FinalCellGradientDropped(HandLSTM):
    """What reaches c_n is not passed on."""

    scan = _NoCellGradient()


class _BatchMean(GRUScan):
    def over_time(self, d_rows, inputs):
        return super().over_time(d_rows, inputs) / max(1, d_rows.shape[1])


@plant("own-gradient-averaged-over-batch", "batch.gradient_alone gradient.reference", "batch >= 2, backward")
class GradientAveragedOverBatch(HandGRU):
    """The matrices' gradients are averaged over the batch, not summed."""

    scan = _BatchMean()


class _ShiftedInput(LSTMScan):
    def backward(self, *arguments):
        d_x, d_state, d_w = super().backward(*arguments)
        return d_x.roll(1, dims=0), d_state, d_w


@plant("own-input-gradient-shifted", "gradient.reach gradient.reference", "time >= 2, x requires grad")
class InputGradientShifted(HandLSTM):
    """The input's gradients are one step late."""

    scan = _ShiftedInput()


class _ProjectionFromState(LSTMScan):
    def unprojected(self, states, gates):
        return torch.tanh(states[1][1:])


@plant("own-projection-gradient", "gradient.reference gradient.numerical", "LSTM, proj_size, backward")
class ProjectionGradientWithoutGate(HandLSTM):
    """The gradient of weight_hr is built from tanh(c), the output gate is left out."""

    scan = _ProjectionFromState()


class _ResetGateForgotten(GRUScan):
    def step_backward(self, *arguments):
        d_before, rows_x, _ = super().step_backward(*arguments)
        return d_before, rows_x, rows_x


@plant("own-hidden-candidate-bias-gradient", "gradient.reference gradient.numerical", "GRU, backward")
class ResetGateMissingInWeightGradient(HandGRU):
    """The candidate's rows of weight_hh and bias_hh get the gradient of the input's rows, without the reset gate."""

    scan = _ResetGateForgotten()


class _CellGradientWithFinalOnly(LSTMScan):
    def backward(self, d_y, d_final, x, running, states, gates, w):
        d_x, d_state, d_w = super().backward(d_y, d_final, x, running, states, gates, w)
        used = (d_final[1] != 0).any()
        return d_x, (d_state[0], torch.where(used, d_state[1], 0)), d_w


@plant("own-cell-gradient-needs-final-cell", "gradient.one_result", "c_0 given, a loss that does not use c_n")
class CellGradientNeedsFinalCell(HandLSTM):
    """The gradient of c_0 is there only if the loss uses c_n."""

    scan = _CellGradientWithFinalOnly()


@plant("own-projection-skips-tanh-gradient", "gradient.reference gradient.numerical", "LSTM, proj_size, backward")
class ProjectionSkipsTanhGradient(HandLSTM):
    """Where there is a projection, the backward forgets the slope of tanh(c)."""

    class WithoutSlope(LSTMScan):
        def step_backward(self, d_new, before, after, gates, w):
            if w.hr is None:
                return super().step_backward(d_new, before, after, gates, w)
            o, through = gates.chunk(4, -1)[3], d_new[0] @ w.hr
            extra = through * o * torch.tanh(after[1]).square()
            return super().step_backward((d_new[0], d_new[1] + extra), before, after, gates, w)

    scan = WithoutSlope()
