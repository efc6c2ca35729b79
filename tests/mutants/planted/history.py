"""States and settings that one call leaves behind for the next."""

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
