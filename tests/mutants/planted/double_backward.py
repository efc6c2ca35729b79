"""Backward passes by hand and their own derivatives: missing, wrong, or in another dtype."""

import torch

from tests.mutants.clean.base import LSTM, Weights
from tests.mutants.clean.by_hand import Function, GRUScan, HandGRU, HandLSTM, OnceDifferentiable
from tests.mutants.registry import plant


class _Unguarded(Function):
    """The backward of Function, without its guards against a second derivative and against autocast."""

    @staticmethod
    def backward(ctx, d_y, *d_final):
        x, running, gates, *rest = ctx.saved_tensors
        states, w = rest[: ctx.count], Weights(*rest[ctx.count :])
        d_x, d_state, d_w = ctx.scan.backward(d_y, d_final, x, running, states, gates, w)
        return None, d_x, None, *d_state, *(d if p is not None else None for d, p in zip(d_w, w, strict=True))


class _OpenToAutocast(_Unguarded):
    @staticmethod
    def backward(ctx, d_y, *d_final):
        if torch.is_grad_enabled():
            raise NotImplementedError("this backward has no derivative: create_graph=True is not supported")
        return _Unguarded.backward(ctx, d_y, *d_final)


@plant("double-backward-one-device", "gradient.second gradient.penalty", "create_graph, bidirectional")
class FusedPathOnceDifferentiable(LSTM):
    """Second derivatives are there on one path and not on the fused one (pytorch/pytorch#20449).

    Here the fused path is that of bidirectional nets.
    """

    def loop(self, x, state, w, lengths):
        return HandLSTM.loop(self, x, state, w, lengths) if self.bidirectional else super().loop(x, state, w, lengths)

    scan, function, running = HandLSTM.scan, OnceDifferentiable, HandLSTM.running


@plant("own-second-derivative-silently-wrong", "gradient.second gradient.penalty", "create_graph", claims="second")
class SecondDerivativeSilentlyWrong(HandLSTM):
    """The backward can be differentiated, but the gates it saved are constants to it: no error, a wrong result."""

    function = _Unguarded


@plant("own-second-derivative-made-up", "gradient.second_refused", "create_graph, not claimed")
class SecondDerivativeMadeUp(HandGRU):
    """Second derivatives are not claimed, and asking for them gives numbers instead of an error."""

    function = _Unguarded


class _InGatesDtype(GRUScan):
    def weight_gradients(self, d_rows_x, d_rows_h, d_h, x, states, gates, w):
        rows_x, rows_h = d_rows_x.to(gates.dtype), d_rows_h.to(gates.dtype)
        return super().weight_gradients(rows_x, rows_h, d_h, x, states, gates, w)


@plant("own-autocast-backward-crashes", "agree.autocast", "autocast, backward")
class BackwardMixesDtypesUnderAutocast(HandGRU):
    """Under autocast the forward saves bfloat16 gates, which the backward multiplies with float32 input."""

    function, scan = _OpenToAutocast, _InGatesDtype()

    def loop(self, x, state, w, lengths):
        y, *final = self.function.apply(self.scan, x, self.running(x, lengths), *state, *w)
        return y, tuple(final)
