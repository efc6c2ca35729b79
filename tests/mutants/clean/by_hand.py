"""LSTM and GRU with a backward written by hand, as fused kernels have it: what the gradient mutants are made of.

A Scan runs one layer in one direction and knows its gradients; Function hands it to autograd. In a scan

    x        (time, batch, features)
    running  (time, batch, 1), False where a sequence is over
    states   (h,) or (h, c), each (time + 1, batch, features): before the first step, and after every step
    gates    (time, batch, gates * hidden_size), after their nonlinearity
    d_...    the gradient of the loss with respect to ...
"""

from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

from tests.mutants.clean.base import GRU, LSTM, Weights


def without_autocast(x):
    """No autocast on x's device inside; meta tensors have none."""
    device = x.device.type
    return torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()


class Function(torch.autograd.Function):
    """(output, *final state) of scan.forward, differentiable once by scan.backward."""

    @staticmethod
    def forward(ctx, scan, x, running, *tensors):
        w = Weights(*tensors[-5:])
        states, gates = scan.forward(x, running, tensors[:-5], w)
        ctx.scan, ctx.count = scan, len(states)
        ctx.save_for_backward(x, running, gates, *states, *w)
        return states[0][1:].clone(), *(s[-1].clone() for s in states)

    @staticmethod
    def backward(ctx, d_y, *d_final):
        if torch.is_grad_enabled():
            raise NotImplementedError("this backward has no derivative: create_graph=True is not supported")
        x, running, gates, *rest = ctx.saved_tensors
        states, w = rest[: ctx.count], Weights(*rest[ctx.count :])
        with without_autocast(x):
            d_x, d_state, d_w = ctx.scan.backward(d_y, d_final, x, running, states, gates, w)
        return None, d_x, None, *d_state, *(d if p is not None else None for d, p in zip(d_w, w, strict=True))


class OnceDifferentiable(Function):
    """The same, refused by torch's own words: in backward() alone, as torch.autograd.grad does not reach its error."""

    @staticmethod
    @once_differentiable
    def backward(ctx, d_y, *d_final):
        return Function.backward(ctx, d_y, *d_final)


class Scan:
    """The loops over time; a subclass knows one step."""

    def forward(self, x, running, state, w):
        """(states, gates)"""
        states, gates = [state], []
        for x_t, on in zip(x, running, strict=True):
            new, gate = self.step(x_t, states[-1], w)
            states.append(tuple(torch.where(on, n, o) for n, o in zip(new, states[-1], strict=True)))
            gates.append(gate)
        return tuple(torch.stack(parts) for parts in zip(*states, strict=True)), torch.stack(gates)

    def backward(self, d_y, d_final, x, running, states, gates, w):
        """(d_x, d_state, d_w); d_w a Weights."""
        d_state, steps = d_final, {}
        for t in self.order(len(x)):
            d_state = (d_state[0] + d_y[t], *d_state[1:])
            d_new, d_kept = self.share_out(d_state, running, t)
            before, after = self.states_at(states, t), tuple(s[t + 1] for s in states)
            d_before, rows_x, rows_h = self.step_backward(d_new, before, after, gates[t], w)
            d_state = tuple(b + k for b, k in zip(d_before, d_kept, strict=True))
            steps[t] = (rows_x, rows_h, d_new[0])
        d_rows_x, d_rows_h, d_h = (torch.stack([steps[t][k] for t in range(len(x))]) for k in range(3))
        return d_rows_x @ w.ih, d_state, self.weight_gradients(d_rows_x, d_rows_h, d_h, x, states, gates, w)

    def order(self, time):
        """The steps, last first."""
        return reversed(range(time))

    def share_out(self, d_state, running, t):
        """What goes through the step, and what a finished sequence hands on as it is."""
        on = running[t]
        return tuple(torch.where(on, d, 0) for d in d_state), tuple(torch.where(on, 0, d) for d in d_state)

    def states_at(self, states, t):
        """The states before step t."""
        return tuple(s[t] for s in states)

    def weight_gradients(self, d_rows_x, d_rows_h, d_h, x, states, gates, w):
        return Weights(
            self.over_time(d_rows_x, x),
            self.over_time(d_rows_h, self.previous_h(states)),
            d_rows_x.sum((0, 1)),
            d_rows_h.sum((0, 1)),
            None if w.hr is None else self.over_time(d_h, self.unprojected(states, gates)),
        )

    def over_time(self, d_rows, inputs):
        """The gradient of a matrix that was applied to ``inputs`` at every step."""
        return torch.einsum("tbr,tbc->rc", d_rows, inputs)

    def previous_h(self, states):
        return states[0][:-1]


def d_sigmoid(s, d):
    """d through a sigmoid whose value is s."""
    return d * s * (1 - s)


def d_tanh(v, d):
    """d through a tanh whose value is v."""
    return d * (1 - v * v)


class LSTMScan(Scan):
    def step(self, x, state, w):
        h, c = state
        a_i, a_f, a_g, a_o = (F.linear(x, w.ih, w.b_ih) + F.linear(h, w.hh, w.b_hh)).chunk(4, -1)
        i, f, g, o = torch.sigmoid(a_i), torch.sigmoid(a_f), torch.tanh(a_g), torch.sigmoid(a_o)
        c = f * c + i * g
        h = o * torch.tanh(c)
        return (h if w.hr is None else F.linear(h, w.hr), c), self.cache(i, f, g, o)

    def cache(self, i, f, g, o):
        return torch.cat([i, f, g, o], -1)

    def step_backward(self, d_new, before, after, gates, w):
        d_h, d_c = d_new
        i, f, g, o = gates.chunk(4, -1)
        d_h = d_h if w.hr is None else d_h @ w.hr
        tanh_c = torch.tanh(after[1])
        d_c = d_c + d_tanh(tanh_c, d_h * o)
        d_i, d_f, d_g = self.through_c(d_c, i, g, before[1])
        rows = torch.cat([d_sigmoid(i, d_i), d_sigmoid(f, d_f), d_tanh(g, d_g), d_sigmoid(o, d_h * tanh_c)], -1)
        return (rows @ w.hh, d_c * f), rows, rows

    def through_c(self, d_c, i, g, c):
        """Of c' = f c + i g: the gradients of i, f and g."""
        return d_c * g, d_c * c, d_c * i

    def unprojected(self, states, gates):
        return gates.chunk(4, -1)[3] * torch.tanh(states[1][1:])


class GRUScan(Scan):
    def step(self, x, state, w):
        (h,) = state
        r_x, z_x, n_x = F.linear(x, w.ih, w.b_ih).chunk(3, -1)
        r_h, z_h, n_h = F.linear(h, w.hh, w.b_hh).chunk(3, -1)
        r, z = torch.sigmoid(r_x + r_h), torch.sigmoid(z_x + z_h)
        n = torch.tanh(n_x + r * n_h)
        return ((1 - z) * n + z * h,), torch.cat([r, z, n, n_h], -1)

    def step_backward(self, d_new, before, after, gates, w):
        (d_h,), (h,) = d_new, before
        r, z, n, n_h = gates.chunk(4, -1)
        d_z, d_n = d_sigmoid(z, d_h * (h - n)), d_tanh(n, d_h * (1 - z))
        d_r = d_sigmoid(r, d_n * n_h)
        rows_h = torch.cat([d_r, d_z, d_n * r], -1)
        return (rows_h @ w.hh + d_h * z,), torch.cat([d_r, d_z, d_n], -1), rows_h


class ByHand:
    """Mixed into a Layer: the loop runs through a Function. Second derivatives are refused."""

    function = Function
    scan: Scan

    def loop(self, x, state, w, lengths):
        with without_autocast(x):
            state = tuple(s.to(w.ih) for s in state)
            y, *final = self.function.apply(self.scan, x.to(w.ih), self.running(x, lengths), *state, *w)
        return y, tuple(final)

    def running(self, x, lengths):
        if lengths is None:
            return x.new_ones(*x.shape[:2], 1, dtype=torch.bool)
        return (torch.arange(len(x), device=x.device).unsqueeze(1) < lengths).unsqueeze(2)


class HandLSTM(ByHand, LSTM):
    scan = LSTMScan()


class HandGRU(ByHand, GRU):
    scan = GRUScan()


class Product(torch.autograd.Function):
    """o * tanh(c), refused a second time by torch's own words."""

    @staticmethod
    def forward(ctx, o, c):
        ctx.save_for_backward(o, c)
        return o * torch.tanh(c)

    @staticmethod
    @once_differentiable
    def backward(ctx, d):
        o, c = ctx.saved_tensors
        return d * torch.tanh(c), d_tanh(torch.tanh(c), d * o)


class OnceDifferentiableLSTM(LSTM):
    """Differentiable once in a part of each step, and twice in the others."""

    def new_h(self, o, c):
        return Product.apply(o, c)
