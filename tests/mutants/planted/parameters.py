"""Parameters that are kept, folded or changed by a call, so that what they become later is not seen."""

import torch

from tests.mutants.clean.base import GRU, LSTM, RNN
from tests.mutants.registry import plant


@plant("forward-mutates-params", "layout.no_mutation shape.parameters life.machine", "bias, after a call")
class CallReshapesBias(LSTM):
    """After the first call bias_hh_l0 is [1, 8] instead of [8] (pytorch/pytorch#1721)."""

    def run(self, x, state, lengths):
        if self.bias and self.bias_hh_l0.dim() == 1:
            with torch.no_grad():
                self.bias_hh_l0.unsqueeze_(0)
        return super().run(x, state, lengths)


@plant("converted-module-never-loaded", "agree.* gradient.eval_is_train mode.eval_ignores_dropout", "eval")
class ConvertedTwinNeverLoaded(LSTM):
    """Conversion builds the module and forgets to copy the weights (pytorch/pytorch#101299).

    Here eval() converts the layers above the first for inference.
    """

    def train(self, mode=True):
        self.converted = None if mode else {name: torch.zeros_like(p) for name, p in self.named_parameters()}
        return super().train(mode)

    def weight(self, name, layer, direction):
        parameter = super().weight(name, layer, direction)
        if self.training or layer == 0 or parameter is None:
            return parameter
        return self.converted[self.key(name, layer, direction)].to(parameter)


@plant("own-weights-cached", "weights.write_through life.machine", "a second call after any change of weight_hh")
class WeightsCachedAtFirstCall(GRU):
    """The recurrent weights are copied at the first call in eval, and not again."""

    cached = None

    def weights(self, layer, direction):
        w = super().weights(layer, direction)
        if self.training:
            return w
        self.cached = self.cached or {}
        return w._replace(hh=self.cached.setdefault((layer, direction), w.hh.detach().clone()))


@plant("own-weights-cached-by-version", "weights.write_through life.machine", "a change through .data")
class WeightsCachedByVersion(LSTM):
    """A fused copy of the weights is renewed when a version counter moves; changes through .data do not move it."""

    def weights(self, layer, direction):
        w = super().weights(layer, direction)
        if torch.is_grad_enabled():
            return w
        self.cached = getattr(self, "cached", {})
        stamp = (id(w.hh), w.hh._version)
        if self.cached.get((layer, direction), (None,))[0] != stamp:
            self.cached[layer, direction] = (stamp, w.hh.detach().clone())
        return w._replace(hh=self.cached[layer, direction][1])


@plant("own-parameters-listed-once", "agree.functional weights.write_through", "functional_call, parametrize")
class ParametersListedOnce(RNN):
    """The parameters are collected at construction: functional_call and parametrizations change nothing."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.__dict__["listed"] = dict(self.named_parameters())

    def weight(self, name, layer, direction):
        return self.listed.get(self.key(name, layer, direction))


@plant("own-weights-drift", "mode.repeatable layout.no_mutation life.machine", "train, second call")
class WeightsDrift(LSTM):
    """Each training call rescales weight_hh_l0 a little, as a power iteration would that was left in."""

    def run(self, x, state, lengths):
        if self.training:
            self.weight_hh_l0.data.mul_(0.999)
        return super().run(x, state, lengths)


@plant("own-stale-sum-of-biases", "weights.write_through", "eval, bias, one of the two biases changed alone")
class StaleSumOfBiases(GRU):
    """In eval what the input adds is kept, until the weights or the bias of the input are changed; another bias is not seen."""

    kept = None

    def weights(self, layer, direction):
        w = super().weights(layer, direction)
        if self.training or torch.is_grad_enabled() or not self.bias:
            return w
        key = (layer, direction)
        seen = tuple((p.data_ptr(), p._version) for p in (w.ih, w.hh, w.b_ih))
        if self.kept is None:
            self.kept = {}
        if self.kept.get(key, (None, None))[0] != seen:
            self.kept[key] = seen, w.b_hh.detach().clone()
        return w._replace(b_hh=self.kept[key][1])


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


@plant("own-parameters-by-reference", "weights.write_through", "load_state_dict(assign=True)")
class ParametersByReference(GRU):
    """The recurrent weights are looked up once, at the first call, and used as they are found there ever after."""

    found = None

    def weights(self, layer, direction):
        if self.found is None:
            self.__dict__["found"] = {}
        key = (layer, direction)
        if key not in self.found or self.found[key].dtype != self.weight_ih_l0.dtype:
            self.found[key] = self.weight("hh", layer, direction)
        return super().weights(layer, direction)._replace(hh=self.found[key])

    def __getstate__(self):
        return {**self.__dict__, "found": None}


@plant("own-weights-not-registered", "weights.registered agree.*", "any")
class WeightsNotRegistered(GRU):
    """A scale of the recurrent weights is drawn as a plain tensor, which is in no state_dict and is not trained."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.scale = 1 + 0.1 * torch.randn(self.hidden_size)

    def weights(self, layer, direction):
        w = super().weights(layer, direction)
        return w._replace(hh=w.hh * self.scale.to(w.hh))
