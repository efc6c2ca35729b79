"""Paths that only some sizes take: tiles with a rest, blocks with a limit, layers that are unrolled."""

import torch

from tests.mutants.clean.base import GRU, LSTM, RNN
from tests.mutants.registry import plant


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
