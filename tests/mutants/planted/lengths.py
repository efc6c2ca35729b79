"""Packed sequences: where a sequence ends, in which order they come, and what the padding may do."""

import torch
from torch.nn.utils.rnn import PackedSequence

from tests.mutants.clean.base import GRU, LSTM, RNN
from tests.mutants.registry import plant


@plant("final-state-at-padded-end", "lengths.each_alone state.is_last_output agree.*", "packed, unequal lengths")
class FinalStateAtPaddedEnd(LSTM):
    """h_n is read at the end of the padded time: shorter sequences get zeros (pytorch/rl#3711)."""

    def one_direction(self, x, state, layer, direction, lengths):
        y, (h, c) = super().one_direction(x, state, layer, direction, lengths)
        if lengths is None or direction == 1:
            return y, (h, c)
        return y, (torch.where((lengths == len(x)).unsqueeze(1), y[-1], 0), c)


@plant("reset-off-by-one", "lengths.each_alone lengths.full time.memory agree.*", "packed, lengths >= 2")
class ResetOneStepEarly(GRU):
    """The state is reset one step before a new sequence begins (LARG/jax-aht#115).

    Here a packed batch is one stream with a reset at each boundary, which comes at the last step of each sequence.
    """

    def loop(self, x, state, w, lengths):
        self.start = state
        return super().loop(x, state, w, lengths)

    def hold(self, new, old, t, lengths):
        new = super().hold(new, old, t, lengths)
        if lengths is None:
            return new
        reset = (t == lengths - 2).unsqueeze(1)
        reset[-1] = False  # no sequence begins after the last
        return tuple(torch.where(reset, s, n) for s, n in zip(self.start, new, strict=True))


@plant("dones-as-index", "lengths.each_alone lengths.full agree.*", "packed")
class MaskUsedAsIndex(GRU):
    """A mask of zeros and ones is used as an index: it is rows 0 and 1 that are held (leggedrobotics/rsl_rl#35)."""

    def hold(self, new, old, t, lengths):
        if lengths is None:
            return new
        finished = (t >= lengths).long()
        return tuple(n.index_copy(0, finished.unique(), o[finished.unique()]) for n, o in zip(new, old, strict=True))


@plant("reverse-starts-in-padding", "lengths.each_alone lengths.padding_ignored agree.*", "packed, bidirectional")
class ReverseStartsInPadding(LSTM):
    """The whole padded tensor is flipped, so the reverse net starts in the padding (onnx/onnx-tensorflow#342)."""

    def one_direction(self, x, state, layer, direction, lengths):
        return super().one_direction(x, state, layer, direction, None if direction == 1 else lengths)


@plant("masked-cudnn-differs", "lengths.each_alone agree.*", "LSTM, packed, unequal lengths")
class CellNotHeldAfterTheEnd(LSTM):
    """Two paths have different rules for what follows the end of a sequence (tensorflow/tensorflow#49241).

    Here h is held there, and c is not.
    """

    def hold(self, new, old, t, lengths):
        return (super().hold(new, old, t, lengths)[0], new[1])


@plant("lengths-without-mask", "lengths.* agree.*", "packed, batch_first")
class PackedInputTransposedTwice(GRU):
    """Given lengths but no mask, the input is transposed a second time (keras-team/keras#15756)."""

    def pad(self, packed):
        x, lengths = super().pad(packed)
        return (x.transpose(0, 1).reshape(x.shape) if self.batch_first else x), lengths


@plant("all-masked-row", "lengths.each_alone lengths.order agree.*", "packed, the first sequence a longest")
class FastPathChosenByOneSequence(LSTM):
    """The fast path without a mask is chosen for a batch by the look of one row (tensorflow/tensorflow#36139).

    A length of 0 cannot be packed; here the fast path is taken whenever the first sequence fills the padded time.
    """

    def run(self, x, state, lengths):
        full = lengths is not None and int(lengths[0]) == len(x)
        return super().run(x, state, None if full else lengths)


@plant("lengths-path-never-run", "lengths.each_alone agree.*", "packed, unequal lengths")
class LengthsIgnored(GRU):
    """The lengths are read and then treated as all equal to the padded time (google/flax#3208)."""

    def run(self, x, state, lengths):
        return super().run(x, state, None)


@plant("packed-meta-from-max-length", "shape.output lengths.* agree.*", "packed, first length not the largest")
class PackedTimeFromFirstLength(RNN):
    """The padded time of a packed batch is taken from the wrong length (pytorch/pytorch#184961).

    A PackedSequence has no padding beyond its longest sequence; here it is cut to the length of its first one.
    """

    def pack(self, y, lengths, packed):
        return super().pack(y[: int(lengths[0])], lengths.clamp(max=int(lengths[0])), packed)


@plant("sorted-never-unsorted", "batch.permute lengths.order lengths.each_alone agree.*", "packed, unsorted lengths")
class StatesInSortedOrder(GRU):
    """The batch is sorted by length for packing and the states are never put back (fartashf/vsepp#36)."""

    def forward_packed(self, packed, hx):
        y, h = super().forward_packed(packed, hx)
        return y, h if packed.sorted_indices is None else h.index_select(1, packed.sorted_indices)


@plant("quantised-options-missing", "lengths.* agree.*", "packed, proj_size")
class NoPackedProjection(LSTM):
    """Packed input and proj_size each work; together they are missing (pytorch/pytorch#27963)."""

    def forward_packed(self, packed, hx):
        assert not self.proj_size or packed.batch_sizes is None
        return super().forward_packed(packed, hx)


@plant("own-packed-ignores-hx", "lengths.each_alone state.used time.split_packed agree.*", "packed, hx random")
class PackedIgnoresState(RNN):
    """For packed input a given initial state is checked, and then zeros are used."""

    def forward_packed(self, packed, hx):
        y, h = super().forward_packed(packed, hx)
        return (y, h) if hx is None else super().forward_packed(packed, None)


@plant("own-packed-cell-state-unsorted", "lengths.order lengths.each_alone agree.*", "LSTM, packed unsorted, hx random")
class InitialCellNotSorted(LSTM):
    """For unsorted packed input h_0 is permuted along with the sequences, c_0 is forgotten."""

    def forward_packed(self, packed, hx):
        if hx is not None and packed.unsorted_indices is not None:
            hx = (hx[0], hx[1].index_select(1, packed.unsorted_indices))
        return super().forward_packed(packed, hx)


@plant("own-packed-output-enforce-sorted", "shape.output lengths.order", "packed, unsorted lengths")
class PackedOutputLosesOrder(LSTM):
    """The packed output comes without the indices that would put it back into the caller's order."""

    def pack(self, y, lengths, packed):
        packed_y = super().pack(y, lengths, packed)
        return PackedSequence(packed_y.data, packed_y.batch_sizes)


@plant("own-length-one-skipped", "lengths.each_alone state.is_last_output agree.*", "packed, a length of 1")
class SequencesOfOneStepSkipped(GRU):
    """A sequence of a single step counts as already over."""

    def hold(self, new, old, t, lengths):
        return super().hold(new, old, t, None if lengths is None else torch.where(lengths == 1, 0, lengths))


@plant("own-packed-layers-see-padding", "lengths.each_alone agree.*", "packed unequal, bidirectional, num_layers >= 2")
class UpperReverseReadsPadding(LSTM):
    """The first layer respects the lengths; the reverse direction of those above starts in the padding."""

    def one_direction(self, x, state, layer, direction, lengths):
        return super().one_direction(x, state, layer, direction, None if layer > 0 and direction == 1 else lengths)


@plant(
    "own-packed-gradient-per-length",
    "batch.gradient_alone lengths.gradient_alone gradient.reference",
    "packed, unequal lengths",
)
class GradientDividedByLength(RNN):
    """The outputs of packed sequences hand back gradients divided by the length: a mean where a sum is meant."""

    def pack(self, y, lengths, packed):
        if y.requires_grad:
            y.register_hook(lambda d: d / lengths.unsqueeze(1))
        return super().pack(y, lengths, packed)


@plant("own-finished-cell-runs-on", "lengths.each_alone agree.*", "LSTM, packed unequal, c_n")
class FinishedCellRunsOn(LSTM):
    """A sequence that is over keeps h, but its c takes one more step."""

    def hold(self, new, old, t, lengths):
        h, c = super().hold(new, old, t, lengths)
        return (h, c) if lengths is None else (h, torch.where((t == lengths).unsqueeze(1), new[1], c))
