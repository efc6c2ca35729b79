"""The forward pass: time and batch axes, the recurrence, sizes."""

import torch

from tests.mutants.clean.base import GRU, LSTM, RNN, Weights
from tests.mutants.registry import plant


@plant("bf-output-not-transposed", "shape.output layout.batch_first agree.*", "batch_first, time != batch")
class BatchFirstOutputNotTransposed(LSTM):
    """With batch_first the output comes back (time, batch, features) (pytorch/pytorch#80306)."""

    def user_layout(self, y):
        return y


@plant("bf-flag-ignored", "shape.output layout.batch_first weights.flags agree.*", "batch_first")
class BatchFirstIgnored(GRU):
    """batch_first=True is accepted and never read (NISCHALPI/xLSTM-and-mLSTM#2)."""

    def time_major(self, input):
        return input.unsqueeze(1) if input.dim() == 2 else input

    def user_layout(self, y):
        return y


@plant("states-flattened", "shape.output agree.*", "time >= 2")
class StatesFlattened(RNN):
    """The steps are concatenated along the features instead of stacked along time (huggingface/candle#1723)."""

    def collect(self, outputs):
        return torch.cat(outputs, dim=-1).unsqueeze(0)


@plant("time-axis-prepended", "time.* state.is_last_output agree.*", "time >= 2")
class NewestStepFirst(GRU):
    """Every new step is put to the left of the outputs: they come in reverse order of time (zhiyongc/GRU-D#5)."""

    def collect(self, outputs):
        return super().collect(outputs[::-1])


@plant("state-computed-never-used", "time.* state.* weights.alive agree.*", "hx given")
class NewStateNeverUsed(RNN):
    """With a hidden state the new activation goes to another name, and the old h is returned (XiaLiPKU/RESCAN#2)."""

    def initial_state(self, x, state):
        self.hx_given = state is not None
        return super().initial_state(x, state)

    def cell(self, x, state, w):
        (h,) = state
        z = super().cell(x, state, w)
        return (h,) if self.hx_given else z


@plant("state-not-carried", "time.split time.memory time.reach agree.*", "time >= 2")
class StateNotCarried(GRU):
    """Every step sees the initial state; one step is right (tracel-ai/burn#2701)."""

    def loop(self, x, state, w, lengths):
        self.start = state
        return super().loop(x, state, w, lengths)

    def cell(self, x, state, w):
        return super().cell(x, self.start, w)


@plant("bhn-missing", "weights.alive agree.* gate.closed_form", "GRU, non-zero bias")
class HiddenBiasOfCandidateMissing(GRU):
    """The candidate has no b_hn, though the documentation has (google/flax#5594)."""

    def from_hidden(self, h, w):
        if w.b_hh is None:
            return super().from_hidden(h, w)
        alive = torch.arange(3 * self.hidden_size, device=h.device) < 2 * self.hidden_size
        return super().from_hidden(h, w._replace(b_hh=w.b_hh * alive))


@plant("bias-added-twice", "weights.bias_sum gate.closed_form agree.*", "bias")
class BiasAddedTwice(LSTM):
    """bias_ih is added in the input projection and again in the step (lisa-lab/DeepLearningTutorials#81)."""

    def from_hidden(self, h, w):
        return super().from_hidden(h, w) + (0 if w.b_ih is None else w.b_ih)


@plant("input-ne-hidden", "layer.stack weights.alive agree.*", "num_layers >= 2, input_size != hidden_size")
class OffsetFromInputSize(LSTM):
    """Weights above the first layer are read from a flat buffer at offsets made of input_size (apache/mxnet#17479)."""

    def weights(self, layer, direction):
        w = super().weights(layer, direction)
        if layer == 0:
            return w
        flat = torch.cat([p.reshape(-1) for p in w if p is not None])
        shift = (self.layer_input_size(layer) - self.input_size) * len(w.ih)
        sizes = [0 if p is None else p.numel() for p in w]
        parts = flat.roll(shift).split(sizes)
        return Weights(*(None if p is None else part.view_as(p) for p, part in zip(w, parts, strict=True)))


@plant("batch-gt-1", "state.used batch.* agree.*", "batch >= 2, hx random")
class StateOfFirstSequenceForAll(LSTM):
    """Right for a batch of one only: the state is taken from one sequence and expanded (tracel-ai/burn#872)."""

    def initial_state(self, x, state):
        state = super().initial_state(x, state)
        return tuple(s[:, :1].expand_as(s) for s in state)


@plant("rocm-large-batch", "batch.cliffs batch.alone", "batch > 110, bidirectional")
class LargeBatchLosesRows(GRU):
    """Bidirectional nets: garbage in the sequences beyond about 110 (pytorch/pytorch#177834)."""

    def join(self, outputs):
        y = super().join(outputs)
        if len(outputs) == 1:
            return y
        return y * (torch.arange(y.shape[1], device=y.device) < 110).unsqueeze(1)


@plant("int32-offsets", "batch.cliffs batch.alone", "time * batch > 256")
class ShortOffsets(RNN):
    """Steps of large inputs are read at an offset that wrapped around; here after 2**8 rows (pytorch/rl#3818)."""

    def run(self, x, state, lengths):
        time, batch, size = x.shape
        rows = torch.arange(time * batch, device=x.device) % 2**8
        return super().run(x.reshape(-1, size)[rows].view(x.shape), state, lengths)


@plant("wrong-base-class", "mode.dropout_between_layers weights.flags", "layers, dropout, bidirectional, train")
class BidirectionalWithoutDropout(LSTM):
    """Two options together come from the wrong base class, and one of them is not there (seba-1511/lstms.pth#3)."""

    def between(self, x):
        return x if self.bidirectional else super().between(x)


@plant("reset-mask-not-used-in-blend", "mode.repeatable state.default_is_zero life.*", "second call, hx none")
class OldStateInBlend(GRU):
    """Where the state is reset, the candidate sees zeros and the blend the state of before (mquad/hgru4rec#11).

    Here hx=None is the reset, and what it should have replaced is the final state of the call before.
    """

    before = None

    def forward(self, input, hx=None):
        self.reset = hx is None
        return super().forward(input, hx)

    def one_direction(self, x, state, layer, direction, lengths):
        self.old = state[0]
        if self.reset and self.before is not None and self.before.shape[1:] == state[0].shape:
            self.old = self.before[layer * self.directions + direction].to(x)
        return super().one_direction(x, state, layer, direction, lengths)

    def blend(self, z, n, h):
        h, self.old = (h if self.old is None else self.old), None
        return super().blend(z, n, h)

    def final_state(self, finals):
        (h,) = super().final_state(finals)
        self.before = h.detach().clone()
        return (h,)


@plant("own-residual-between-layers", "layer.stack agree.*", "num_layers >= 2, one direction")
class ResidualWhereSizesMatch(GRU):
    """A residual connection is added wherever the sizes allow it, asked for or not."""

    def one_direction(self, x, state, layer, direction, lengths):
        y, final = super().one_direction(x, state, layer, direction, lengths)
        return (y + x if layer > 0 and y.shape == x.shape else y), final


@plant("own-next-input", "time.causal time.reach gradient.reach time.split agree.*", "LSTM, time >= 2")
class OutputGateSeesNextInput(LSTM):
    """The output gate is computed one step ahead: it has seen the next input."""

    def one_direction(self, x, state, layer, direction, lengths):
        ahead = torch.cat([x[1:], x[-1:]]) if direction == 0 and lengths is None else x
        return super().one_direction(torch.cat([x, ahead], -1), state, layer, direction, lengths)

    def gates(self, x, h, w):
        now, ahead = x.chunk(2, dim=-1)
        i, f, g, _ = super().gates(now, h, w)
        return i, f, g, super().gates(ahead, h, w)[3]


@plant("own-window-of-four", "time.memory time.split time.reach agree.*", "time >= 5")
class StateForgottenEveryFourSteps(RNN):
    """The window of truncated backpropagation acts on the forward pass too: the state restarts every 4 steps."""

    def loop(self, x, state, w, lengths):
        self.t = 0
        return super().loop(x, state, w, lengths)

    def cell(self, x, state, w):
        self.t += 1
        forgotten = self.t > 1 and self.t % 4 == 1
        return super().cell(x, tuple(s * 0 for s in state) if forgotten else state, w)


@plant("own-position-in-recurrence", "time.same_weights time.split time.step_by_step agree.*", "time >= 2")
class PositionLeaksIntoStep(GRU):
    """What is left of a time embedding: each step adds a little of its own number to the candidate."""

    def loop(self, x, state, w, lengths):
        self.t = 0
        return super().loop(x, state, w, lengths)

    def candidate(self, n_x, r, n_h):
        self.t += 1
        return super().candidate(n_x + 0.01 * (self.t - 1), r, n_h)


@plant("own-cell-state-dropped-between-chunks", "time.split time.memory agree.*", "LSTM, time > 4")
class CellStateDroppedBetweenChunks(LSTM):
    """Time is processed in chunks of 4, and only h is handed from chunk to chunk."""

    def loop(self, x, state, w, lengths):
        if lengths is not None or len(x) <= 4:
            return super().loop(x, state, w, lengths)
        y, (h, c) = super().loop(x[:4], state, w, None)
        rest, state = self.loop(x[4:], (h, torch.zeros_like(c)), w, None)
        return torch.cat([y, rest]), state


@plant("own-batch-wide-quantisation", "batch.* time.reach agree.*", "batch >= 2")
class OneScaleForTheWholeBatch(LSTM):
    """Inputs are quantised to 8 bits with one scale for the batch, so each sequence feels the largest of the others."""

    def run(self, x, state, lengths):
        if x.numel() == 0:
            return super().run(x, state, lengths)
        scale = x.detach().abs().amax().clamp(min=1e-12) / 127
        rounded = x + (torch.round(x.detach() / scale) * scale - x.detach())
        return super().run(rounded, state, lengths)


@plant("own-vector-tail", "batch.cliffs agree.*", "hidden_size > 32 and no multiple of 32")
class TailOfHiddenUnitsDropped(LSTM):
    """The recurrent product runs in vectors of 32; what is left at the end of a larger state is not added."""

    def from_hidden(self, h, w):
        whole = h.shape[-1] - h.shape[-1] % 32
        if whole == 0:
            return super().from_hidden(h, w)
        return super().from_hidden(h[:, :whole], w._replace(hh=w.hh[:, :whole]))


@plant("own-units-differ-by-index", "weights.relabel agree.*", "hidden_size >= 2, time >= 2")
class SlowUnits(RNN):
    """What is left of a clockwork RNN: the second half of the units moves at every other step only."""

    def loop(self, x, state, w, lengths):
        self.t = 0
        return super().loop(x, state, w, lengths)

    def cell(self, x, state, w):
        (h,) = super().cell(x, state, w)
        self.t += 1
        slow = torch.arange(h.shape[-1], device=h.device) >= (h.shape[-1] + 1) // 2
        return (torch.where(slow & (self.t % 2 == 0), state[0], h),)


@plant("own-last-unit-masked", "weights.alive agree.*", "hidden_size >= 2")
class LastColumnMasked(GRU):
    """A mask over the recurrent weights is one column short."""

    def weights(self, layer, direction):
        w = super().weights(layer, direction)
        mask = torch.ones_like(w.hh)
        mask[:, -1] = 0
        return w._replace(hh=w.hh * mask)
