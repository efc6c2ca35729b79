"""More bugs that nobody reported: what one call leaves for the next, and paths that only some sizes or ways of calling take."""

import torch

from tests.mutants.clean.base import GRU, LSTM
from tests.mutants.registry import plant


@plant("own-packed-mask-kept", "life.machine", "packed, then padded of the same sizes")
class PackedMaskKept(LSTM):
    """The lengths of a packed call are kept by (time, batch), and found again by the next padded call of these sizes."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.kept = {}

    def run(self, x, state, lengths):
        if lengths is not None:
            self.kept[x.shape[:2]] = lengths
        return super().run(x, state, self.kept.get(x.shape[:2]))


@plant("own-inference-mode-reuses-state", "layout.no_mutation", "inference mode, hx given")
class InferenceModeReusesState(GRU):
    """In inference mode the new states are written where the caller's were, which saves an allocation."""

    def final_state(self, finals):
        (final,) = super().final_state(finals)
        if torch.is_inference_mode_enabled() and self.given is not None and self.given.shape == final.shape:
            return (self.given.copy_(final),)
        return (final,)

    def run(self, x, state, lengths):
        self.given = state[0] if state[0].is_contiguous() else None
        return super().run(x, state, lengths)

    given = None


@plant("own-compiled-upper-layers-forget", "agree.compiled", "torch.compile, num_layers >= 2, hx given")
class CompiledUpperLayersForget(GRU):
    """The path that is taken under torch.compile starts every layer but the first at 0."""

    def one_direction(self, x, state, layer, direction, lengths):
        if layer and torch.compiler.is_dynamo_compiling():
            state = tuple(torch.zeros_like(s) for s in state)
        return super().one_direction(x, state, layer, direction, lengths)


@plant("own-wide-input-odd-rest", "agree.forward batch.cliffs", "input_size > 256, time * batch odd")
class WideInputOddRest(LSTM):
    """Wide inputs are multiplied two rows at a time; the last row of an odd number goes without its bias."""

    def run(self, x, state, lengths):
        self.odd = x.shape[2] > 256 and x.shape[0] * x.shape[1] % 2 == 1
        return super().run(x, state, lengths)

    def loop(self, x, state, w, lengths):
        y, final = super().loop(x, state, w, lengths)
        if not self.odd or x.shape[2] <= 256 or w.b_ih is None:
            return y, final
        last = x.new_zeros(x.shape[0], x.shape[1], 1)
        last[-1, -1] = 1
        states, outputs = state, []
        for t, x_t in enumerate(x.unbind(0)):
            without = self.cell(x_t, states, w._replace(b_ih=None))
            new = tuple(torch.where(last[t] > 0, a, b) for a, b in zip(without, self.cell(x_t, states, w), strict=True))
            states = self.hold(new, states, t, lengths)
            outputs.append(states[0])
        return self.collect(outputs), states


@plant("own-states-kept-for-later", "life.leak", "any calls")
class StatesKeptForLater(LSTM):
    """Every call's final state goes to a list, to be looked at some day, and is never taken out."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.seen = []

    def final_state(self, finals):
        final = super().final_state(finals)
        self.seen.append(final[0].detach().clone())
        return final


HANDLES = {}


@plant("own-backward-keeps-its-tape", "life.leak", "backward")
class BackwardKeepsItsTape(GRU):
    """What backward needs is kept under a number that is new at every call, for the whole process."""

    def cell(self, x, state, w):
        new = super().cell(x, state, w)
        if new[0].requires_grad:
            HANDLES[len(HANDLES)] = new[0].detach()
        return new


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
