"""Autocast, float16 and bfloat16, and dtypes that are not the input's."""

import torch
import torch.nn.functional as F

from tests.mutants.clean.base import GRU, LSTM, RNN
from tests.mutants.registry import extra, plant


@plant("own-float64-in-float32", "agree.forward agree.dtype gradient.numerical agree.*", "float64")
class Float64RunsInFloat32(RNN):
    """Double precision is accepted and computed in single."""

    def cell(self, x, state, w):
        single = [None if p is None else p.float() for p in w]
        if x.dtype != torch.float64:
            return super().cell(x, state, w)
        return tuple(s.double() for s in super().cell(x.float(), tuple(s.float() for s in state), type(w)(*single)))


@plant("own-state-in-bfloat16", "numeric.digits agree.forward agree.*", "time >= 1")
class StateInBfloat16(GRU):
    """The state is kept in bfloat16, whatever the dtype is; gradients go on as they came."""

    def cell(self, x, state, w):
        (h,) = super().cell(x, state, w)
        return (h + (h.detach().bfloat16().to(h.dtype) - h.detach()),)


@plant("own-float16-overflows", "agree.dtype numeric.*", "float16, sums of more than 11")
class ExponentialsOverflowInHalf(LSTM):
    """The gates are made of exponentials, which overflow in float16 where a sum exceeds 11."""

    def gates(self, x, h, w):
        i, f, g, o = self.split(self.from_input(x, w) + self.from_hidden(h, w))
        if i.dtype != torch.float16:
            return super().gates(x, h, w)
        return i.exp() / (1 + i.exp()), f.exp() / (1 + f.exp()), torch.tanh(g), torch.sigmoid(o)


@plant("own-autocast-state-in-float8", "agree.autocast", "autocast, time >= 2")
class CellStateInFloat8(LSTM):
    """Under autocast the cell state is kept with 8 bits."""

    def new_c(self, i, f, g, c):
        c = super().new_c(i, f, g, c)
        if not torch.is_autocast_enabled(c.device.type):
            return c
        return c + (c.detach().to(torch.float8_e4m3fn).to(c) - c.detach())


@plant("own-autocast-states-differ", "shape.autocast agree.autocast", "autocast")
class AutocastOutputAloneIsCast(GRU):
    """Under autocast the output is cast down, and the final state, the same numbers, is not."""

    def user_layout(self, y):
        y = super().user_layout(y)
        low = torch.is_autocast_enabled(y.device.type)
        return y.to(torch.get_autocast_dtype(y.device.type)) if low else y


@plant("own-autocast-to-half-unscaled", "agree.autocast", "autocast to float16")
class AutocastToHalfUnscaled(LSTM):
    """Under autocast to float16 the gates are clamped, so that nothing overflows: at 1, which was meant to be 1e4."""

    def from_input(self, x, w):
        a = super().from_input(x, w)
        return a.clamp(-1, 1) if a.dtype == torch.float16 and x.dtype != a.dtype else a


@plant("own-low-input-under-autocast", "agree.autocast", "autocast, input in its dtype already")
class LowInputUnderAutocast(GRU):
    """Input that autocast need not cast is taken to be prepared already, its bias added."""

    def from_input(self, x, w):
        low = torch.is_autocast_enabled("cpu") and x.dtype == torch.get_autocast_dtype("cpu")
        return F.linear(x, w.ih) if low else super().from_input(x, w)


@extra("own-autocast-states-float32", "shape.autocast", "autocast")
class AutocastStatesInFloat32(GRU):
    """Under autocast the output is bfloat16, the final state that was made of it float32."""

    def final_state(self, finals):
        states = super().final_state(finals)
        return tuple(s.float() for s in states) if torch.is_autocast_enabled("cpu") else states

    def collect(self, outputs):
        y = super().collect(outputs)
        return y.bfloat16() if torch.is_autocast_enabled("cpu") else y


@plant("own-cast-kept-under-autocast", "agree.autocast", "autocast, no_grad, the parameters changed in between")
class CastKeptUnderAutocast(LSTM):
    """Under autocast without gradients the weights are cast once, and never again."""

    def weights(self, layer, direction):
        w = super().weights(layer, direction)
        if torch.is_grad_enabled() or not torch.is_autocast_enabled("cpu"):
            return w
        low = torch.get_autocast_dtype("cpu")
        kept = self.__dict__.setdefault("cast", {})
        return kept.setdefault((layer, direction), type(w)(*(None if p is None else p.detach().to(low) for p in w)))


@plant("stateful-mixed-precision", "shape.dtype_device agree.dtype time.split", "float64, float16 or bfloat16")
class StatesInFloat32(GRU):
    """The carried state has the dtype of the variables, not of the computation (keras-team/keras#15140)."""

    def final_state(self, finals):
        return tuple(s.float() for s in super().final_state(finals))
