"""Memory: strides, shared storage, what a call changes that is not its own, what it reads unwritten, what it never gives back."""

import torch

from tests.mutants.clean.base import GRU, LSTM, RNN
from tests.mutants.registry import extra, plant


@plant("own-input-assumed-contiguous", "layout.strides agree.*", "input transposed or strided in memory")
class InputAssumedContiguous(LSTM):
    """The input is read from memory as if it were contiguous."""

    def time_major(self, input):
        return super().time_major(as_contiguous(input))


@plant("own-state-assumed-contiguous", "layout.strides agree.*", "hx transposed or strided in memory")
class StateAssumedContiguous(GRU):
    """hx is read from memory as if it were contiguous."""

    def state_tuple(self, hx):
        state = super().state_tuple(hx)
        return None if state is None else tuple(as_contiguous(s) for s in state)


def as_contiguous(tensor):
    """The first elements of the tensor's memory in its shape."""
    steps = [1]
    for size in reversed(tensor.shape[1:]):
        steps.insert(0, steps[0] * size)
    return torch.as_strided(tensor, tensor.shape, steps)


@plant("own-state-overwritten", "layout.no_mutation mode.repeatable gradient.*", "hx random")
class InitialStateOverwritten(LSTM):
    """The final states are written into the tensors that held the initial ones."""

    def forward(self, input, hx=None):
        y, state = super().forward(input, hx)
        if hx is not None:
            for given, final in zip(hx, state, strict=True):
                given.data.copy_(final.data)
        return y, state


@plant("own-input-cleaned-in-place", "layout.no_mutation numeric.nan_stays", "a NaN in the input")
class InputCleanedInPlace(RNN):
    """NaN in the caller's input is replaced in place."""

    def run(self, x, state, lengths):
        torch.nan_to_num_(x.data, posinf=float("inf"), neginf=float("-inf"))
        return super().run(x, state, lengths)


@plant("own-input-used-as-scratch", "layout.no_mutation mode.repeatable", "no_grad, padded")
class InputUsedAsScratch(GRU):
    """Without gradients the memory of the input is used for something else once it has been read."""

    def run(self, x, state, lengths):
        result = super().run(x, state, lengths)
        if not torch.is_grad_enabled():
            x.data.zero_()
        return result


@plant("own-input-requires-grad", "layout.no_mutation gradient.any_requires_grad", "input without requires_grad, train")
class InputMadeToRequireGrad(LSTM):
    """requires_grad is switched on for the caller's input, and left on."""

    def forward(self, input, hx=None):
        if not isinstance(input, tuple) and self.training and input.is_leaf:
            input.requires_grad_()
        return super().forward(input, hx)


@plant("own-state-is-view-of-output", "layout.no_alias state.fresh", "one layer, one direction, padded")
class FinalStateIsViewOfOutput(GRU):
    """h_n is a view of the output: changing one changes the other."""

    def run(self, x, state, lengths):
        y, final = super().run(x, state, lengths)
        return y, ((y[-1:],) if len(final[0]) == 1 and lengths is None else final)


@plant("own-one-step-output-is-state", "layout.no_alias state.fresh", "time 1, one layer, one direction")
class OneStepOutputIsState(RNN):
    """A single step takes a short way: its output and its final state are the same tensor."""

    def run(self, x, state, lengths):
        y, final = super().run(x, state, lengths)
        return (final[0] if final[0].shape == y.shape else y), final


@plant("own-version-bumped", "layout.no_mutation", "any call, version counters")
class ParameterTouchedInPlace(LSTM):
    """A parameter is multiplied by one in place at each call without gradients: its value stays, its version moves."""

    def run(self, x, state, lengths):
        if not torch.is_grad_enabled():
            self.weight_ih_l0.mul_(1.0)
        return super().run(x, state, lengths)


@plant("own-buffer-of-outputs", "state.fresh layout.no_alias mode.repeatable", "no_grad, second call of the same shape")
class OutputInReusedBuffer(GRU):
    """Without gradients the output goes to a buffer that the next call of the same shape overwrites."""

    buffer = None

    def run(self, x, state, lengths):
        y, final = super().run(x, state, lengths)
        if y.requires_grad:
            return y, final
        if self.buffer is None or self.buffer.shape != y.shape or self.buffer.dtype != y.dtype:
            self.buffer = torch.empty_like(y)
        return self.buffer.copy_(y), final


@plant("own-square-not-transposed", "layout.square layout.gradient agree.*", "batch_first, time = batch")
class SquareInputNotTransposed(LSTM):
    """With batch_first the transposition is skipped where it would not change the shape."""

    def time_major(self, input):
        return input if input.dim() == 3 and input.shape[0] == input.shape[1] else super().time_major(input)

    def user_layout(self, y):
        return y if y.shape[0] == y.shape[1] else super().user_layout(y)


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


@extra("own-weights-assumed-contiguous", "weights.scattered", "parameters strided or transposed in memory")
class WeightsAssumedContiguous(GRU):
    """The weights are read from memory as if they were contiguous."""

    def weight(self, name, layer, direction):
        parameter = super().weight(name, layer, direction)
        return None if parameter is None else as_contiguous(parameter)


@extra("own-zeroed-by-product", "layout.fresh_memory", "hx none", "script jvp vmap")
class StateZeroedByProduct(GRU):
    """The default state is fresh memory times zero, which is zero unless there is a NaN in it."""

    def default_state(self, x):
        return tuple(x.new_empty(h.shape) * 0 for h in super().default_state(x))


@extra("own-added-to-fresh-memory", "layout.fresh_memory", "any", "script jvp vmap")
class OutputMaskedByProduct(LSTM):
    """Every output is its own number plus fresh memory times zero."""

    def collect(self, outputs):
        return super().collect(outputs) + 0 * torch.empty_like(outputs[0])
