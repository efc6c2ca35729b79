"""Backward passes written by hand that are right as long as nothing happens between the call and them."""

import torch

from tests.mutants.clean.base import LSTM
from tests.mutants.clean.by_hand import Function, HandGRU, HandLSTM
from tests.mutants.registry import plant


def as_if_contiguous(d):
    """The numbers that lie where a contiguous gradient's would."""
    strides = torch.empty(d.shape, device="meta").stride()
    room = torch.empty(0, dtype=d.dtype).set_(d.untyped_storage())
    enough = len(room) - d.storage_offset() >= d.numel()
    return d.as_strided(d.shape, strides) if enough else d.new_full(d.shape, torch.nan)


class _ReadsFromPointer(Function):
    @staticmethod
    def backward(ctx, d_y, *d_final):
        return Function.backward(ctx, as_if_contiguous(d_y), *map(as_if_contiguous, d_final))


@plant("own-backward-reads-from-pointer", "graph.memory", "backward, a gradient that is not contiguous")
class BackwardReadsFromPointer(HandGRU):
    """One layer's kernel is handed the address of the incoming gradient, and takes it for contiguous."""

    def loop(self, x, state, w, lengths):
        plain = lengths is None and self.num_layers == self.directions == 1
        self.function = _ReadsFromPointer if plain and not self.batch_first else Function
        return super().loop(x, state, w, lengths)

    def join(self, outputs):
        return outputs[0] if len(outputs) == 1 else super().join(outputs)


class _AddsInPlace(Function):
    @staticmethod
    def backward(ctx, d_y, *d_final):
        if d_y.is_contiguous():
            d_y[-1].add_(d_final[0])
            d_final = (torch.zeros_like(d_final[0]), *d_final[1:])
        return Function.backward(ctx, d_y, *d_final)


@plant("own-backward-writes-incoming", "graph.memory", "backward, no batch_first, one direction")
class BackwardWritesIncoming(HandLSTM):
    """The final state's gradient is added to the last output's where that lies, which is the caller's."""

    function = _AddsInPlace

    def loop(self, x, state, w, lengths):
        self.function = Function if lengths is not None else _AddsInPlace
        return super().loop(x, state, w, lengths)

    def join(self, outputs):
        return outputs[0] if len(outputs) == 1 else super().join(outputs)


def with_saved(ctx, tensors):
    """The ctx, as if these tensors were the ones that it saved."""
    ctx.__class__ = type(ctx.__class__.__name__, (ctx.__class__,), {"saved_tensors": tensors})
    return ctx


TAPE = {}


class _OneTape(Function):
    @staticmethod
    def forward(ctx, scan, x, running, *tensors):
        results = Function.forward(ctx, scan, x, running, *tensors)
        ctx.key = tensors[-5].data_ptr()
        TAPE[ctx.key] = ctx.to_save
        return results

    @staticmethod
    def backward(ctx, *d):
        return Function.backward(with_saved(ctx, TAPE[ctx.key]), *d)


@plant("own-one-tape-a-layer", "graph.several", "two calls, then backward through the first")
class OneTapeALayer(HandGRU):
    """What backward needs is kept with the weights, not with the call: there is one of it, of the latest call."""

    function = _OneTape


class _KeepsAttributes(Function):
    @staticmethod
    def forward(ctx, scan, x, running, *tensors):
        results = Function.forward(ctx, scan, x, running, *tensors)
        ctx.kept = ctx.to_save
        ctx.save_for_backward()
        return results

    @staticmethod
    def backward(ctx, *d):
        return Function.backward(with_saved(ctx, ctx.kept), *d)


@plant("own-saved-as-attributes", "graph.changed", "a weight written into between call and backward")
class SavedAsAttributes(HandLSTM):
    """Tensors are kept as attributes of ctx, where autograd does not see that they were written into."""

    function = _KeepsAttributes


@plant("own-frozen-once-frozen-ever", "graph.unfrozen", "called while frozen, then unfrozen")
class FrozenOnceFrozenEver(LSTM):
    """Whether the weights are trained is looked up at the first call."""

    trained = None

    def weights(self, layer, direction):
        if self.trained is None:
            self.trained = any(p.requires_grad for p in self.parameters())
        w = super().weights(layer, direction)
        return w if self.trained else type(w)(*(p if p is None else p.detach() for p in w))
