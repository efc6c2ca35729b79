"""Layers that are right, each in its own way: they round otherwise, and nothing may be held against them."""

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tests.mutants.clean.base import GRU, LSTM, RNN, Weights
from tests.mutants.clean.by_hand import HandGRU, HandLSTM, OnceDifferentiableLSTM
from tests.mutants.planted.cells import GRUCell, LSTMCell
from tests.mutants.planted.clipping import clip_grad_norm_
from tests.mutants.planted.lengths_argument import GRUWithLengths, LSTMWithLengths

NOTHING_BEYOND_FIRST = ("script", "second", "jvp", "vmap")
"""What a backward by hand does not offer."""


@dataclass(frozen=True)
class Correct:
    """A correct implementation: the fields are those of a Mutant; ``without`` names the features it does not offer."""

    target: Any
    like: Any
    kind: Literal["layer", "clip", "step", "pair", "cell", "lengths"] = "layer"
    without: tuple[str, ...] = ("script",)


CORRECT: dict[str, Correct] = {
    "rnn": Correct(RNN, nn.RNN),
    "gru": Correct(GRU, nn.GRU),
    "lstm": Correct(LSTM, nn.LSTM),
    "gru-by-hand": Correct(HandGRU, nn.GRU, without=NOTHING_BEYOND_FIRST),
    "lstm-by-hand": Correct(HandLSTM, nn.LSTM, without=NOTHING_BEYOND_FIRST),
    "lstm-once-differentiable": Correct(OnceDifferentiableLSTM, nn.LSTM, without=NOTHING_BEYOND_FIRST),
    "gru-cell": Correct(GRUCell, nn.GRUCell, "cell"),
    "lstm-cell": Correct(LSTMCell, nn.LSTMCell, "cell"),
    "gru-with-lengths": Correct(GRUWithLengths, nn.GRU, "lengths"),
    "lstm-with-lengths": Correct(LSTMWithLengths, nn.LSTM, "lengths"),
    "clip": Correct(clip_grad_norm_, nn.utils.clip_grad_norm_, "clip", ()),
}


def correct(name: str, like: Any, *without: str) -> Callable[[Any], Any]:
    """Put the decorated layer on the list."""

    def declare(target: Any) -> Any:
        CORRECT[name] = Correct(target, like, "layer", ("script", *without))
        return target

    return declare


@correct("separate-matmuls", nn.LSTM)
class SeparateMatmuls(LSTM):
    """A product for every gate, from its own rows."""

    def gates(self, x, h, w):
        blocks = zip(*(self.split_rows(p) for p in (w.ih, w.hh, w.b_ih, w.b_hh)), strict=True)
        i, f, g, o = (F.linear(x, ih, b_ih) + F.linear(h, hh, b_hh) for ih, hh, b_ih, b_hh in blocks)
        return torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)

    def split_rows(self, p):
        return (None,) * 4 if p is None else p.chunk(4)


@correct("einsum", nn.GRU)
class Einsum(GRU):
    """The products are written with einsum."""

    def from_input(self, x, w):
        return plus(torch.einsum("bi,ri->br", x, w.ih), w.b_ih)

    def from_hidden(self, h, w):
        return plus(torch.einsum("bh,rh->br", h, w.hh), w.b_hh)


def plus(rows: Tensor, bias: Tensor | None) -> Tensor:
    return rows if bias is None else rows + bias


@correct("hoisted-projection", nn.LSTM)
class HoistedProjection(LSTM):
    """The input of all steps is projected at once, before the loop."""

    def loop(self, x, state, w, lengths):
        return super().loop(super().from_input(x, w), state, w, lengths)

    def from_input(self, x, w):
        return x


@correct("float64-inside", nn.GRU)
class Float64Inside(GRU):
    """Everything is computed in double precision, and rounded once."""

    def weights(self, layer, direction):
        return Weights(*(None if p is None else p.double() for p in super().weights(layer, direction)))

    def run(self, x, state, lengths):
        y, final = super().run(x.double(), tuple(s.double() for s in state), lengths)
        return y.to(x.dtype), tuple(f.to(x.dtype) for f in final)


@correct("permuted-units", nn.GRU)
class PermutedUnits(GRU):
    """The hidden units are kept in another order inside."""

    def weights(self, layer, direction):
        w = super().weights(layer, direction)
        rows = [None if p is None else torch.cat([gate.flip(0) for gate in p.chunk(3)]) for p in w[:4]]
        return Weights(*rows, None)._replace(hh=rows[1].flip(1))

    def loop(self, x, state, w, lengths):
        y, (h,) = super().loop(x, (state[0].flip(-1),), w, lengths)
        return y.flip(-1), (h.flip(-1),)


@correct("loop-over-lstm-cell", nn.LSTM, "proj")
class LoopOverLSTMCell(LSTM):
    """Every step is a call of torch.nn.LSTMCell with the layer's parameters; there is no projection."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        if self.proj_size:
            raise ValueError("proj_size should be 0: torch.nn.LSTMCell has no projection")
        step = nn.LSTMCell(self.input_size, self.hidden_size, self.bias, device="meta")
        self.__dict__["step"] = step  # not a submodule: its parameters are not the layer's

    def cell(self, x, state, w):
        named = {"weight_ih": w.ih, "weight_hh": w.hh, "bias_ih": w.b_ih, "bias_hh": w.b_hh}
        parameters = {name: p for name, p in named.items() if p is not None}
        return torch.func.functional_call(self.step, parameters, (x, state))


def plain_step(i: Tensor, f: Tensor, g: Tensor, o: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    scripted_step = torch.jit.script(plain_step)


@correct("scripted-step", nn.LSTM)
class ScriptedStep(LSTM):
    """The elementwise part of a step is compiled by TorchScript.

    The gates are cut outside: with chunk inside, torch 2.13 has no backward for a loss of c alone ("returned an invalid
    gradient at index 1 - got [3, 12] but expected shape compatible with [3, 16]").
    """

    def cell(self, x, state, w):
        h, c = scripted_step(*self.split(self.from_input(x, w) + self.from_hidden(state[0], w)), state[1])
        return self.project(h, w), c


@correct("chunked-time", nn.GRU)
class ChunkedTime(GRU):
    """Time is processed in chunks of 4, each of which is joined before the next begins."""

    def loop(self, x, state, w, lengths):
        outputs = []
        for start in range(0, len(x), 4):
            left = None if lengths is None else (lengths - start).clamp(min=0)
            y, state = super().loop(x[start : start + 4], state, w, left)
            outputs.append(y)
        return torch.cat(outputs), state


@correct("weight-normed", nn.LSTM)
class WeightNormed(LSTM):
    """The recurrent weights are their direction times their length, as in weight normalisation.

    torch.nn.utils.parametrizations.weight_norm keeps the two as parameters of their own, which changes the names; here
    both come from weight_hh.
    """

    def weights(self, layer, direction):
        w = super().weights(layer, direction)
        length = w.hh.to(torch.promote_types(w.hh.dtype, torch.float32)).norm(dim=1, keepdim=True)
        some = length > 0
        unit = torch.where(some, length / torch.where(some, length, 1), 1)
        return w._replace(hh=w.hh * unit.to(w.hh.dtype))


logger = logging.getLogger(__name__)


@correct("logging-subclass", nn.LSTM, "vmap", "jvp")
class LoggingLSTM(nn.LSTM):
    """torch.nn.LSTM that counts its calls and logs them; what torch's does not offer, it does not offer either."""

    calls = 0

    def forward(self, input, hx=None):
        self.calls += 1
        logger.debug("call %s of %s", self.calls, self)
        return super().forward(input, hx)


@correct("batch-major", nn.RNN)
class BatchMajor(RNN):
    """The loop runs over (batch, time, features)."""

    def loop(self, x, state, w, lengths):
        x, outputs = x.transpose(0, 1).contiguous(), []
        for t in range(x.shape[1]):
            state = self.hold(self.cell(x[:, t], state, w), state, t, lengths)
            outputs.append(state[0])
        return torch.stack(outputs, dim=1).transpose(0, 1), state


@correct("merged-bias", nn.LSTM)
class MergedBias(LSTM):
    """The two biases are added to each other before they are added to anything else."""

    def weights(self, layer, direction):
        w = super().weights(layer, direction)
        return w if w.b_ih is None else w._replace(b_ih=w.b_ih + w.b_hh, b_hh=None)


@correct("reversed-sums", nn.GRU)
class ReversedSums(GRU):
    """The products are summed from the last column to the first."""

    def from_input(self, x, w):
        return super().from_input(x.flip(-1), w._replace(ih=w.ih.flip(-1)))

    def from_hidden(self, h, w):
        return super().from_hidden(h.flip(-1), w._replace(hh=w.hh.flip(-1)))


@correct("one-matmul", nn.LSTM)
class OneMatmul(LSTM):
    """Input and hidden state are joined, and so are their weights: one product a step."""

    def gates(self, x, h, w):
        rows = F.linear(torch.cat([x, h], -1), torch.cat([w.ih, w.hh], 1))
        i, f, g, o = self.split(rows if w.b_ih is None else rows + w.b_ih + w.b_hh)
        return torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)


@correct("blend-as-torch", nn.GRU)
class BlendAsTorch(GRU):
    """h' = n + z (h - n), with one product."""

    def blend(self, z, n, h):
        return n + z * (h - n)


@correct("running-rows-only", nn.LSTM)
class RunningRowsOnly(LSTM):
    """A step of a packed batch computes the sequences that are not over, and no others."""

    def loop(self, x, state, w, lengths):
        if lengths is None:
            return super().loop(x, state, w, lengths)
        outputs = []
        for t, x_t in enumerate(x):
            rows = (t < lengths).nonzero().squeeze(1)
            new = self.cell(x_t[rows], tuple(s[rows] for s in state), w)
            state = tuple(s.index_copy(0, rows, n.to(s)) for s, n in zip(state, new, strict=True))
            outputs.append(state[0])
        return torch.stack(outputs), state


@correct("checkpointed", nn.GRU, "vmap", "jvp")
class Checkpointed(GRU):
    """The loop is not stored for the backward pass but run again."""

    def loop(self, x, state, w, lengths):
        if not torch.is_grad_enabled():
            return super().loop(x, state, w, lengths)
        return checkpoint(super().loop, x, state, w, lengths, use_reentrant=False)


@correct("preallocated-output", nn.RNN, "vmap")
class PreallocatedOutput(RNN):
    """The steps write into one output."""

    def loop(self, x, state, w, lengths):
        y = None
        for t, x_t in enumerate(x.unbind(0)):
            state = self.hold(self.cell(x_t, state, w), state, t, lengths)
            y = state[0].new_empty(len(x), *state[0].shape) if y is None else y
            y[t] = state[0]
        return y, state
