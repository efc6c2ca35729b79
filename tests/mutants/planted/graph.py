"""Where the graph is cut, bent or left unused; the forward pass of all of these is right."""

import torch
import torch.nn.functional as F
from torch import nn

from tests.mutants.clean.base import GRU, LSTM, RNN
from tests.mutants.registry import plant


@plant("raw-weight-no-grad", "weights.alive weights.trainable gradient.reference", "train, backward")
class RawWeightNeverTrains(LSTM):
    """The masked recurrent weights are a leaf of their own: the raw ones get no gradient (fastai/fastai2#427)."""

    def weights(self, layer, direction):
        w = super().weights(layer, direction)
        return w._replace(hh=nn.Parameter(F.dropout(w.hh, 0.0))) if self.training else w


@plant("state-mutation-gradient", "gradient.split gradient.reference state.used", "hx requires grad")
class StateStoredWithoutGraph(RNN):
    """The module keeps the state in itself, and the gradient loses the link (FluxML/Flux.jl#2185)."""

    def initial_state(self, x, state):
        self.h = tuple(s.detach() for s in super().initial_state(x, state))
        return self.h


class _Dropout(torch.autograd.Function):
    """Dropout whose backward reads a mask that the forward fills only if there is something to drop."""

    @staticmethod
    def forward(ctx, x, p):
        mask = F.dropout(torch.ones_like(x), p) if p else torch.zeros_like(x)
        ctx.save_for_backward(mask)
        return x * mask if p else x.clone()

    @staticmethod
    def backward(ctx, d):
        (mask,) = ctx.saved_tensors
        return d * mask, None


@plant("zero-dropout-multilayer", "gradient.reference weights.alive gradient.*", "num_layers >= 2, dropout 0, train")
class MaskOfZeroDropoutNeverFilled(GRU):
    """With several layers and dropout 0 the backward reads a mask that was never filled (PaddlePaddle/Paddle#37080)."""

    def between(self, x):
        return _Dropout.apply(x, self.dropout) if self.training else x


@plant("data-cut", "gradient.reference gradient.numerical gradient.reach", "time >= 2, backward")
class DataInTheRecurrence(GRU):
    """tensor.data is used in the recurrence: nothing flows back through it (allenai/allennlp#2534)."""

    def from_hidden(self, h, w):
        return super().from_hidden(h.data, w)


class _TimeMajor(torch.autograd.Function):
    """(batch, time, features) to (time, batch, features), with a backward that reshapes where it should transpose."""

    @staticmethod
    def forward(ctx, input):
        return input.transpose(0, 1).contiguous()

    @staticmethod
    def backward(ctx, d):
        return d.reshape(d.shape[1], d.shape[0], d.shape[2])


@plant("own-batch-first-gradient-reshaped", "layout.gradient gradient.reference batch.gradient_alone", "batch_first")
class BatchFirstGradientReshaped(LSTM):
    """With batch_first the input's gradient is reshaped, not transposed."""

    def time_major(self, input):
        return _TimeMajor.apply(input) if self.batch_first and input.dim() == 3 else super().time_major(input)


@plant("own-gradients-cleared-by-forward", "gradient.accumulates life.machine layout.no_mutation", "train, two calls")
class ForwardClearsGradients(LSTM):
    """A training call clears the parameters' gradients: accumulation over two calls is lost."""

    def run(self, x, state, lengths):
        if self.training:
            self.zero_grad()
        return super().run(x, state, lengths)


@plant("own-gradient-clamped", "gradient.reference gradient.numerical gradient.accumulates", "gradients above 1")
class GradientClampedInside(LSTM):
    """The gradient of each hidden state is clamped to [-1, 1], as in Graves' handwriting networks."""

    def project(self, h, w):
        h = super().project(h, w)
        if h.requires_grad:
            h.register_hook(lambda d: d.clamp(-1, 1))
        return h


@plant("own-graph-only-if-input-requires-grad", "gradient.any_requires_grad weights.alive", "x without grad")
class GraphOnlyIfInputRequiresGrad(GRU):
    """No graph is made for an input that needs no gradient, whatever the parameters need."""

    def run(self, x, state, lengths):
        needed = x.requires_grad or any(s.requires_grad for s in state)
        with torch.set_grad_enabled(torch.is_grad_enabled() and needed):
            return super().run(x, state, lengths)


@plant("own-frozen-layer-cuts-graph", "gradient.any_requires_grad", "frozen parameters of a layer, backward")
class FrozenLayerCutsGraph(LSTM):
    """A layer whose parameters are all frozen runs under no_grad: what is below it gets no gradient."""

    def one_direction(self, x, state, layer, direction, lengths):
        trains = any(p.requires_grad for p in self.weights(layer, direction) if p is not None)
        with torch.set_grad_enabled(torch.is_grad_enabled() and trains):
            return super().one_direction(x, state, layer, direction, lengths)


@plant("own-upper-input-detached-in-eval", "gradient.eval_is_train gradient.reference", "eval, layers, backward")
class UpperInputDetachedInEval(RNN):
    """In eval the input of the upper layers is detached."""

    def between(self, x):
        return super().between(x) if self.training else x.detach()


@plant("own-truncated-gradient", "gradient.reference gradient.reach gradient.split", "time > 3, backward")
class GradientTruncatedAfterThreeSteps(GRU):
    """Truncated backpropagation is built in: the state is detached every third step."""

    def loop(self, x, state, w, lengths):
        self.t = 0
        return super().loop(x, state, w, lengths)

    def cell(self, x, state, w):
        self.t += 1
        return super().cell(x, tuple(s.detach() for s in state) if self.t > 1 and self.t % 3 == 1 else state, w)


@plant(
    "own-nan-gradient-of-where",
    "numeric.extreme_gradient numeric.extreme numeric.finite_gradient",
    "sums below -88 (float32), backward",
)
class SigmoidByWhereHasNanGradient(LSTM):
    """A stable sigmoid is chosen by torch.where; its other branch overflows and makes the gradient NaN."""

    def gates(self, x, h, w):
        i, f, g, _ = super().gates(x, h, w)
        a = self.split(self.from_input(x, w) + self.from_hidden(h, w))[3]
        return i, f, g, torch.where(a > 0, 1 / (1 + torch.exp(-a)), torch.exp(a) / (1 + torch.exp(a)))


@plant("own-computed-weights-detached", "weights.parametrize agree.functional", "a parametrized weight, backward")
class ComputedWeightsDetached(GRU):
    """A weight that is itself computed, as under a parametrization, is detached: what it is made of does not learn."""

    def weight(self, name, layer, direction):
        p = super().weight(name, layer, direction)
        return p if p is None or p.is_leaf else p.detach()


@plant("own-gradient-cut-at-100", "gradient.loss_scale", "gradients above 100")
class GradientCutAt100(LSTM):
    """What comes back from the outputs is cut off at 100, against explosion (Graves 2013, at 1)."""

    def collect(self, outputs):
        y = super().collect(outputs)
        if y.requires_grad:
            y.register_hook(lambda d: d.clamp(-100, 100))
        return y


@plant("own-tiny-gradients-flushed", "gradient.loss_scale", "gradients below 1e-8")
class TinyGradientsFlushed(GRU):
    """Gradients below 1e-8 are taken for rounding, and set to zero."""

    def collect(self, outputs):
        y = super().collect(outputs)
        if y.requires_grad:
            y.register_hook(lambda d: torch.where(d.abs() < 1e-8, 0, d))
        return y


@plant("own-frozen-weight-freezes-bias", "gradient.any_requires_grad", "weight_ih frozen, bias_ih not, x without gradient")
class FrozenWeightFreezesBias(LSTM):
    """Where neither the weight nor the input needs a gradient, the product is made without, and its bias with it."""

    def from_input(self, x, w):
        if w.ih.requires_grad or x.requires_grad:
            return super().from_input(x, w)
        with torch.no_grad():
            return super().from_input(x, w)
