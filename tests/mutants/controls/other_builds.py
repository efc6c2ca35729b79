"""Right layers of quite another build: flat storage, directions in one product, compensated sums, composed weights, vmap."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from tests.mutants.clean.base import GRU, LSTM, RNN
from tests.mutants.controls.correct import correct


@correct("one-storage", nn.LSTM)
class OneStorage(LSTM):
    """All parameters lie one behind the other in one storage, as cuDNN wants them."""

    def make_parameters(self, device, dtype):
        super().make_parameters(device, dtype)
        flat = torch.cat([parameter.detach().reshape(-1) for parameter in self.parameters()])
        start = 0
        for parameter in self.parameters():
            parameter.data = flat[start : start + parameter.numel()].view(parameter.shape)
            start += parameter.numel()


@correct("directions-together", nn.GRU)
class DirectionsTogether(GRU):
    """Both directions of a layer are one batched product; inside, features come before sequences."""

    def run(self, x, state, lengths):
        finals = []
        for layer in range(self.num_layers):
            ways = range(self.directions)
            both = torch.stack([self.reverse(x, lengths) if way else x for way in ways], dim=1)
            start = state[0][layer * self.directions : (layer + 1) * self.directions]
            y, h = self.sweep(both.transpose(2, 3), start.transpose(1, 2), [self.weights(layer, way) for way in ways], lengths)
            finals.append(h.transpose(1, 2))
            parts = y.transpose(2, 3).unbind(1)
            x = torch.cat([self.reverse(part, lengths) if way else part for way, part in enumerate(parts)], dim=-1)
            if layer < self.num_layers - 1:
                x = self.between(x)
        return x, (torch.cat(finals),)

    def sweep(self, x, h, weights, lengths):
        """x (time, directions, features, batch), h (directions, features, batch)."""
        ih, hh = (torch.stack([getattr(w, name) for w in weights]) for name in ("ih", "hh"))
        b_ih, b_hh = (
            torch.stack([getattr(w, name) for w in weights]).unsqueeze(2) if self.bias else 0 for name in ("b_ih", "b_hh")
        )
        outputs = []
        for t, x_t in enumerate(x):
            (r_x, z_x, n_x), (r_h, z_h, n_h) = (ih @ x_t + b_ih).chunk(3, 1), (hh @ h + b_hh).chunk(3, 1)
            r, z = torch.sigmoid(r_x + r_h), torch.sigmoid(z_x + z_h)
            new = self.blend(z, self.candidate(n_x, r, n_h), h)
            h = new if lengths is None else torch.where(t < lengths, new, h)
            outputs.append(h)
        return torch.stack(outputs), h


@correct("compensated-sums", nn.RNN)
class CompensatedSums(RNN):
    """Products are summed column by column, and what a sum loses is added to the next (Kahan).

    Half precisions in float32, and rounded once: no layer is expected to accumulate in them.
    """

    def from_input(self, x, w):
        return compensated(x, w.ih, w.b_ih)

    def from_hidden(self, h, w):
        return compensated(h, w.hh, w.b_hh)


def compensated(x, weight, bias):
    if x.is_meta:  # production sizes, and nothing to sum
        return F.linear(x, weight, bias)
    narrow, wide = x.dtype, torch.promote_types(x.dtype, torch.float32)
    x, weight = x.to(wide), weight.to(wide)
    total = x.new_zeros(len(x), len(weight)) if bias is None else bias.to(wide).expand(len(x), -1)
    lost = torch.zeros_like(total)
    for column, values in zip(weight.unbind(1), x.unbind(1), strict=True):
        term = torch.outer(values, column) - lost
        new = total + term
        lost = ((new - total) - term).detach().nan_to_num(0.0, 0.0, 0.0)
        total = new
    return total.to(narrow)


@correct("composed-projection", nn.LSTM)
class ComposedProjection(LSTM):
    """The projection is multiplied into the recurrent weights, once a call; after the first step h itself is not needed."""

    def loop(self, x, state, w, lengths):
        if w.hr is None:
            return super().loop(x, state, w, lengths)
        composed = w.hh @ w.hr
        (h, c), outputs = state, []
        rows = self.from_hidden(h, w)
        for t, x_t in enumerate(x):
            i, f, g, o = self.split(self.from_input(x_t, w) + rows)
            new_c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            whole = torch.sigmoid(o) * torch.tanh(new_c)
            h, c, rows = self.hold((F.linear(whole, w.hr), new_c, F.linear(whole, composed, w.b_hh)), (h, c, rows), t, lengths)
            outputs.append(h)
        return torch.stack(outputs), (h, c)


@correct("checkpointed-chunks", nn.LSTM, "vmap", "jvp")
class CheckpointedChunks(LSTM):
    """Three steps at a time are not stored for the backward pass but run again."""

    def loop(self, x, state, w, lengths):
        outputs = []
        for start in range(0, len(x), 3):
            left = None if lengths is None else (lengths - start).clamp(min=0)
            part = x[start : start + 3]
            if torch.is_grad_enabled():
                y, state = checkpoint(super().loop, part, state, w, left, use_reentrant=False)
            else:
                y, state = super().loop(part, state, w, left)
            outputs.append(y)
        return torch.cat(outputs), state


@correct("sequence-by-vmap", nn.GRU)
class SequenceByVmap(GRU):
    """What is written is the recurrence of one sequence; torch.vmap makes a batch of it."""

    def loop(self, x, state, w, lengths):
        if x.shape[1] == 0:
            return super().loop(x, state, w, lengths)
        steps = x.new_full((x.shape[1],), len(x), dtype=torch.int64) if lengths is None else lengths

        def sequence(x, h, steps):
            outputs = []
            for t, x_t in enumerate(x):
                (new,) = self.cell(x_t, (h,), w)
                h = torch.where(t < steps, new, h)
                outputs.append(h)
            return torch.stack(outputs), h

        y, h = torch.vmap(sequence, in_dims=(1, 0, 0), out_dims=(1, 0))(x, state[0], steps)
        return y, (h,)
