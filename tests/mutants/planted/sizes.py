"""Paths that only some sizes take: tiles with a rest, blocks with a limit, layers that are unrolled, nothing at all."""

import torch
import torch.nn.functional as F

from tests.mutants.clean.base import GRU, LSTM, RNN
from tests.mutants.registry import extra, plant


@plant("own-block-of-1024-units", "agree.forward batch.cliffs", "hidden_size > 1024")
class BlockOf1024Units(GRU):
    """One block of 1024 threads works at a step, a unit each: of more units the state stays as it was."""

    def cell(self, x, state, w):
        (new,) = super().cell(x, state, w)
        return (torch.cat([new[:, :1024], state[0][:, 1024:]], dim=1),)


@plant("own-input-of-1024-features", "agree.forward batch.cliffs", "input_size > 1024")
class InputOf1024Features(LSTM):
    """A row of the input is read into a buffer of 1024 numbers; what is beyond is not read."""

    def from_input(self, x, w):
        return super().from_input(torch.cat([x[:, :1024], torch.zeros_like(x[:, 1024:])], dim=1), w)


@plant("own-chunk-of-1024-steps", "agree.forward batch.cliffs time.*", "time > 1024")
class ChunkOf1024Steps(LSTM):
    """A sequence is run in chunks of 1024 steps; the cell state is not handed on."""

    def loop(self, x, state, w, lengths):
        if lengths is not None:
            return super().loop(x, state, w, lengths)
        outputs = []
        for chunk in x.split(1024):
            y, state = super().loop(chunk, state, w, None)
            outputs.append(y)
            after, state = state, (state[0], torch.zeros_like(state[1]))
        return (torch.cat(outputs), after) if outputs else super().loop(x, state, w, None)


@plant("own-product-in-two-bytes", "agree.forward batch.cliffs", "batch * hidden_size > 16384")
class ProductInTwoBytes(RNN):
    """The place of a unit among all sequences' is counted modulo 16384: later ones are written over the first."""

    def cell(self, x, state, w):
        (new,) = super().cell(x, state, w)
        flat, kept = new.reshape(-1), 16384
        if flat.numel() <= kept:
            return (new,)
        rest = flat[kept:]
        return (torch.cat([rest, flat[len(rest) : kept], rest])[: flat.numel()].view_as(new),)


@plant("own-stages-of-four", "agree.forward layer.*", "num_layers = 4, 8, ...")
class StagesOfFour(GRU):
    """Of a stack that can be cut into stages of four layers, each stage's last layer starts at 0."""

    def one_direction(self, x, state, layer, direction, lengths):
        if self.num_layers % 4 == 0 and layer % 4 == 3:
            state = tuple(torch.zeros_like(part) for part in state)
        return super().one_direction(x, state, layer, direction, lengths)


@plant("own-sixteen-lengths", "agree.forward lengths.*", "packed, more than 16 different lengths")
class SixteenLengths(LSTM):
    """Sequences of one length are run together, in at most 16 groups; shorter ones go with the last group."""

    def hold(self, new, old, t, lengths):
        if lengths is not None:
            groups = lengths.unique().flip(0)[:16]
            lengths = torch.maximum(lengths, groups[-1])
        return super().hold(new, old, t, lengths)


@plant("own-wide-kernel-loses-bias", "agree.forward", "batch >= 32, hidden >= 32")
class WideKernelLosesBias(GRU):
    """The kernel for wide batches of wide layers adds one bias only."""

    def from_hidden(self, h, w):
        wide = h.shape[0] >= 32 and self.hidden_size >= 32
        return F.linear(h, w.hh) if wide else super().from_hidden(h, w)


@plant("own-square-final-state", "state.is_last_output agree.*", "padded, time = batch >= 2")
class FinalStateOfSquare(LSTM):
    """Where time = batch, the forward h_n is read along the wrong axis."""

    def one_direction(self, x, state, layer, direction, lengths):
        y, final = super().one_direction(x, state, layer, direction, lengths)
        square = y.shape[0] == y.shape[1] and direction == 0 and lengths is None
        return y, ((y[:, -1], *final[1:]) if square else final)


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


@plant("long-sequence-limit", "shape.output batch.cliffs", "time >= 256")
class LongSequencesRefused(GRU):
    """Long sequences fail, with a misleading message; here from 2**8 steps on (pytorch/pytorch#133751)."""

    def run(self, x, state, lengths):
        if len(x) >= 2**8:
            raise RuntimeError("status not supported: this error may appear if you passed in a non-contiguous input.")
        return super().run(x, state, lengths)


@plant("own-empty-batch-forgets-directions", "batch.empty batch.empty_backward shape.output", "batch 0, bidirectional")
class EmptyBatchOfOneDirection(GRU):
    """An early return for an empty batch has the output of one direction, and no graph."""

    def run(self, x, state, lengths):
        if x.shape[1]:
            return super().run(x, state, lengths)
        return x.new_zeros(len(x), 0, self.hidden_size), tuple(s.detach() for s in state)


@plant("own-empty-batch-crashes", "batch.empty", "batch 0")
class EmptyBatchCrashes(LSTM):
    """The largest input is kept as a statistic; an empty batch has none."""

    def run(self, x, state, lengths):
        self.largest = x.detach().abs().max()
        return super().run(x, state, lengths)


@extra("own-sequences-counted-in-16-bits", "batch.many", "more than 65,536 sequences")
class SequencesCountedIn16Bits(LSTM):
    """The index of a sequence is cut to 16 bits: what comes after is what the first ones are."""

    def run(self, x, state, lengths):
        index = torch.arange(x.shape[1]) % 2**16
        return super().run(x[:, index], state, lengths)


@extra("own-steps-limited", "numeric.many_steps", "more steps than the limit")
class StepsLimited(GRU):
    """Beyond a limit the state no longer changes."""

    limit = 2**16 - 1

    def run(self, x, state, lengths):
        y, states = super().run(x[: self.limit], state, lengths)
        left = len(x) - len(y)
        return torch.cat([y, y[-1:].expand(left, -1, -1)]) if left else y, states
