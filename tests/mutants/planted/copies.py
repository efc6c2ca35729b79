"""What a layer is after it was copied, pickled, loaded or moved."""

import copy

import torch

from tests.mutants.clean.base import GRU, LSTM
from tests.mutants.registry import plant


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


@plant("own-load-keeps-what-was-given", "life.machine", "load_state_dict, then the given tensors are changed")
class LoadKeepsWhatWasGiven(LSTM):
    """load_state_dict makes the given tensors its own parameters: whoever changes them later changes the layer."""

    def _load_from_state_dict(self, state_dict, prefix, *rest):
        super()._load_from_state_dict(state_dict, prefix, *rest)
        for name, parameter in self._parameters.items():
            given = state_dict[prefix + name]
            if (given.shape, given.dtype) == (parameter.shape, parameter.dtype):
                parameter.data = given.detach()


@plant("own-copy-loses-dropout", "life.copied", "dropout, deepcopy")
class CopyLosesDropout(GRU):
    """A deep copy is made through the constructor, which is not told of dropout."""

    def __deepcopy__(self, memo):
        sizes = self.input_size, self.hidden_size, self.num_layers, self.bias, self.batch_first, 0.0, self.bidirectional
        first = next(self.parameters())
        copied = type(self)(*sizes, device=first.device, dtype=first.dtype)
        copied.load_state_dict(self.state_dict())
        for name, p in copied.named_parameters():
            p.requires_grad_(self.get_parameter(name).requires_grad)
        return copied.train(self.training)


@plant("own-frozen-parameter-thaws", "life.machine", "a frozen parameter, to(dtype)")
class FrozenParameterThaws(LSTM):
    """Moved to another dtype, the layer makes new parameters, which all require gradients."""

    def _apply(self, fn, recurse=True):
        for name, p in list(self._parameters.items()):
            if p is not None:
                self._parameters[name] = torch.nn.Parameter(fn(p.data))
        return self


@plant("own-load-hook-forgets-prefix", "life.machine", "load_state_dict of a model that the layer is a part of")
class LoadHookForgetsPrefix(LSTM):
    """Old checkpoints with gates in another order are turned while they are loaded; as part of a model the new ones are too."""

    def _load_from_state_dict(self, state_dict, prefix, *rest):
        new = "weight_ih_l0" in state_dict
        if not new:
            for name in list(state_dict):
                if name.endswith("weight_hh_l0"):
                    state_dict[name] = state_dict[name].roll(self.hidden_size, 0)
        super()._load_from_state_dict(state_dict, prefix, *rest)


@plant("own-checkpoint-decides-dtype", "life.machine weights.write_through", "a checkpoint of another dtype")
class CheckpointDecidesDtype(GRU):
    """Parameters are made anew from a checkpoint, in its dtype, instead of being copied into."""

    def _load_from_state_dict(self, state_dict, prefix, *rest):
        for name, parameter in self._parameters.items():
            if prefix + name in state_dict:
                parameter.data = parameter.data.to(state_dict[prefix + name].dtype)
        super()._load_from_state_dict(state_dict, prefix, *rest)
