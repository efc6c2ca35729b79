"""Construction: shapes, flags, and the initial parameters, drawn once or anew."""

import math

from torch import nn

from tests.mutants.clean.base import GRU, LSTM, RNN
from tests.mutants.registry import plant


@plant("forget-bias-init-partial", "weights.init", "a new layer; bias=False cannot be built")
class ForgetBiasOfFirstLayerOnly(LSTM):
    """The forget bias is set on bias_hh_l0 only, and bias=False crashes (google-research/flood-forecasting#289)."""

    def reset_parameters(self):
        super().reset_parameters()
        self.bias_hh_l0.data[self.hidden_size : 2 * self.hidden_size] = 1.0


@plant("init-arg-on-wrong-layer", "weights.init", "a new layer, bias")
class BiasInitialiserMissed(LSTM):
    """The initialiser of the bias is given to the part that has none (google/flax#17): the biases start at zero."""

    def reset_parameters(self):
        super().reset_parameters()
        for name, parameter in self.named_parameters():
            if name.startswith("bias_hh"):
                nn.init.zeros_(parameter)


@plant("stack-input-size-ignores-directions", "shape.parameters", "bidirectional, num_layers >= 2")
class UpperInputWithoutDirections(LSTM):
    """Layers above the first are built for hidden_size inputs, not for both directions (pytorch/pytorch#89357)."""

    def layer_input_size(self, layer):
        return self.input_size if layer == 0 else self.state_size


@plant("last-layer-size-off", "shape.parameters", "num_layers >= 2, input_size != hidden_size")
class LastLayerFromStaleSize(GRU):
    """The last layer is built behind the loop with a size left over from it (seba-1511/lstms.pth#2)."""

    def layer_input_size(self, layer):
        last = layer == self.num_layers - 1 and layer > 0
        return self.input_size if last else super().layer_input_size(layer)


@plant("config-values-permuted", "shape.* weights.flags", "bias != batch_first or bidirectional")
class ValuesPermuted(GRU):
    """A list of values is zipped with names in another order (fastai/fastai#1809)."""

    def __init__(
        self,
        input_size,
        hidden_size,
        num_layers=1,
        bias=True,
        batch_first=False,
        dropout=0.0,
        bidirectional=False,
        device=None,
        dtype=None,
    ):
        flags = zip(("bidirectional", "batch_first"), (batch_first, bidirectional), strict=True)
        super().__init__(input_size, hidden_size, num_layers, bias, dropout=dropout, **dict(flags), device=device, dtype=dtype)


@plant("own-init-by-input-size", "weights.init", "a new layer, input_size != hidden_size")
class InitialisedByFanIn(GRU):
    """weight_ih is drawn from a range given by its own columns, as in nn.Linear, instead of hidden_size."""

    def reset_parameters(self):
        super().reset_parameters()
        for name, parameter in self.named_parameters():
            if name.startswith("weight_ih"):
                bound = 1 / math.sqrt(parameter.shape[1])
                nn.init.uniform_(parameter, -bound, bound)


@plant("own-init-misses-reverse", "weights.init", "a new layer, bidirectional")
class ReverseCopiesForward(LSTM):
    """The reverse direction starts as a copy of the forward one."""

    def reset_parameters(self):
        super().reset_parameters()
        for name, parameter in self.named_parameters():
            if name.endswith("_reverse"):
                parameter.data.copy_(getattr(self, name.removesuffix("_reverse")))


@plant("own-nonlinearity-of-first-layer-only", "weights.flags layer.stack agree.*", "relu, num_layers >= 2")
class NonlinearityOfFirstLayerOnly(RNN):
    """nonlinearity='relu' reaches the first layer; those above are tanh."""

    def one_direction(self, x, state, layer, direction, lengths):
        self.first = layer == 0
        return super().one_direction(x, state, layer, direction, lengths)

    def activation(self, a):
        return super().activation(a) if self.first else a.tanh()


@plant("own-zero-biases-without-bias", "shape.parameters weights.flags", "bias=False")
class ZeroBiasesWithoutBias(GRU):
    """bias=False registers biases of zero, which train and are in the state_dict."""

    def shapes(self, layer):
        rows = self.gate_count * self.hidden_size
        return super().shapes(layer) | {"b_ih": (rows,), "b_hh": (rows,)}

    def reset_parameters(self):
        super().reset_parameters()
        for name, parameter in self.named_parameters():
            if name.startswith("bias") and not self.bias:
                nn.init.zeros_(parameter)


@plant("own-extra-buffer", "shape.parameters", "any")
class StepCounterInStateDict(LSTM):
    """A counter of calls is a persistent buffer, so a state_dict of torch.nn does not load."""

    def make_parameters(self, device, dtype):
        super().make_parameters(device, dtype)
        self.register_buffer("calls", self.weight_ih_l0.new_zeros(()))


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
