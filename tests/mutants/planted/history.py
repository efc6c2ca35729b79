"""What one call leaves behind for the next."""

import copy
import random

import torch

from tests.mutants.clean.base import GRU, LSTM, RNN
from tests.mutants.registry import plant


@plant("state-lost-between-steps", "time.step_by_step time.split state.used agree.*", "time 1, hx random")
class StateLostStepByStep(GRU):
    """Called step by step, every step sees a state of zeros (pytorch/rl#1406)."""

    def run(self, x, state, lengths):
        return super().run(x, tuple(s * 0 for s in state) if len(x) == 1 else state, lengths)


@plant("reset-noop-for-bidir", "mode.repeatable state.default_is_zero life.*", "bidirectional, second call, hx none")
class ResetMissesReverse(LSTM):
    """The reset of a stateful layer does not reach the reverse direction (tensorflow/tensorflow#34055).

    Here hx=None is the reset, and the reverse net goes on from where the last call left it.
    """

    left = None

    def default_state(self, x):
        state = super().default_state(x)
        if self.left is None or self.directions == 1 or self.left[0].shape[1] != x.shape[1]:
            return state
        reverse = torch.arange(len(state[0]), device=x.device)[:, None, None] % 2 == 1
        return tuple(torch.where(reverse, left.to(s), s) for left, s in zip(self.left, state, strict=True))

    def final_state(self, finals):
        state = super().final_state(finals)
        self.left = tuple(s.detach().clone() for s in state)
        return state


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


@plant("trace-bakes-batch", "life.machine batch.* agree.exported", "hx none, a second call with another batch")
class DefaultStateOfFirstBatch(GRU):
    """The zero state is made for the batch of the first call and kept (pytorch/pytorch#15319)."""

    zeros = None

    def default_state(self, x):
        if self.zeros is None:
            self.zeros = super().default_state(x)
        return self.zeros


@plant("own-default-state-cached", "shape.dtype_device life.machine", "hx none, to(another dtype) after a call")
class DefaultStateCachedByShape(LSTM):
    """The zero state is kept for each batch size, and survives a move to another dtype."""

    def default_state(self, x):
        self.cache = getattr(self, "cache", {})
        if x.shape[1] not in self.cache:
            self.cache[x.shape[1]] = super().default_state(x)
        return self.cache[x.shape[1]]


@plant("own-third-call-differs", "mode.repeatable life.machine state.fresh", "third call")
class FusedOnThirdCall(GRU):
    """After two calls to warm up the weights are fused, and the hidden bias is left out."""

    calls = 0

    def run(self, x, state, lengths):
        self.calls += 1
        return super().run(x, state, lengths)

    def weights(self, layer, direction):
        w = super().weights(layer, direction)
        return w._replace(b_hh=None) if self.calls > 2 else w


@plant("own-states-in-reused-buffer", "state.fresh layout.no_alias", "second call of the same shape, no_grad")
class StatesInReusedBuffer(LSTM):
    """Final states are written into a buffer that the next call of the same shape overwrites."""

    buffer = None

    def final_state(self, finals):
        state = super().final_state(finals)
        if any(s.requires_grad for s in state):
            return state
        if self.buffer is None or self.buffer[0].shape != state[0].shape or self.buffer[0].dtype != state[0].dtype:
            self.buffer = state
        return tuple(b.copy_(s) for b, s in zip(self.buffer, state, strict=True))


SHARED = {}


@plant("own-default-state-shared", "state.fresh life.interleaved mode.repeatable", "hx none, second call, no_grad")
class DefaultStateShared(RNN):
    """All layers share one zero state for each shape, and the recurrence writes into it."""

    def default_state(self, x):
        shape = (self.num_layers * self.directions, x.shape[1], self.hidden_size, x.dtype, x.device)
        return SHARED.setdefault(shape, super().default_state(x))

    def one_direction(self, x, state, layer, direction, lengths):
        y, final = super().one_direction(x, state, layer, direction, lengths)
        if not y.requires_grad and not state[0].requires_grad:
            state[0].copy_(final[0])
        return y, final


@plant("own-flag-on-the-class", "life.interleaved", "two layers, one batch_first")
class BatchFirstOnTheClass(LSTM):
    """batch_first is set on the class: the layer built last decides for all."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        type(self).batch_first = self.__dict__.pop("batch_first")


@plant("own-pickle-loses-flag", "life.copied life.machine", "batch_first, pickled or copied")
class PickleLosesBatchFirst(GRU):
    """What is pickled (and deep-copied) does not contain batch_first."""

    def __getstate__(self):
        return {name: value for name, value in super().__getstate__().items() if name != "batch_first"}

    def __setstate__(self, state):
        super().__setstate__({"batch_first": False} | state)


@plant("own-last-state-kept-with-its-graph", "life.copied life.machine", "train, a call, then deepcopy")
class LastStateKeptWithItsGraph(GRU):
    """The last state is kept on the layer, graph and all: from the first call in training on it cannot be copied."""

    def run(self, x, state, lengths):
        y, self.last_state = super().run(x, state, lengths)
        return y, self.last_state


@plant("own-deepcopy-shares-weights", "life.machine", "num_layers >= 2, deepcopy, then change one of the two")
class DeepcopySharesUpperLayers(LSTM):
    """A deep copy shares the parameters of the layers above the first with the original."""

    def __deepcopy__(self, memo):
        twin = copy.copy(self)
        first = {name: torch.nn.Parameter(p.detach().clone()) for name, p in self._parameters.items() if "_l0" in name}
        twin._parameters = self._parameters | first
        return twin


@plant("own-load-skips-reverse", "weights.write_through life.machine", "bidirectional, load_state_dict")
class LoadSkipsReverse(LSTM):
    """load_state_dict reports success and leaves the reverse direction as it was."""

    def _load_from_state_dict(self, state_dict, *rest):
        kept = {name: p.detach().clone() for name, p in self.named_parameters() if name.endswith("_reverse")}
        super()._load_from_state_dict(state_dict, *rest)
        for name, values in kept.items():
            getattr(self, name).data.copy_(values)


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


@plant("own-precision-lowered-for-all", "mode.settings", "any call")
class PrecisionLoweredForAll(LSTM):
    """Asks for fast float32 products, which torch then uses in the whole process."""

    def run(self, x, state, lengths):
        torch.set_float32_matmul_precision("high")
        return super().run(x, state, lengths)


@plant("own-refusal-leaves-gradients-off", "mode.settings", "a state of another size, then anything")
class RefusalLeavesGradientsOff(GRU):
    """Gradients are switched off while the state is checked, and stay off where it is refused."""

    def check_state(self, x, state):
        enabled = torch.is_grad_enabled()
        torch.set_grad_enabled(False)
        super().check_state(x, state)
        torch.set_grad_enabled(enabled)


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


@plant("own-load-keeps-what-was-given", "life.machine", "load_state_dict, then the given tensors are changed")
class LoadKeepsWhatWasGiven(LSTM):
    """load_state_dict makes the given tensors its own parameters: whoever changes them later changes the layer."""

    def _load_from_state_dict(self, state_dict, prefix, *rest):
        super()._load_from_state_dict(state_dict, prefix, *rest)
        for name, parameter in self._parameters.items():
            given = state_dict[prefix + name]
            if (given.shape, given.dtype) == (parameter.shape, parameter.dtype):
                parameter.data = given.detach()


@plant("own-python-reseeded", "mode.settings", "num_layers >= 2, dropout, train")
class PythonReseeded(RNN):
    """Where dropout acts Python's random numbers begin anew, for the whole process."""

    def between(self, x):
        if self.training and self.dropout:
            random.seed(0)
        return super().between(x)
