"""Wrong input that is not refused, or refused with damage."""

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from tests.mutants.clean.base import GRU, LSTM, RNN
from tests.mutants.registry import extra, plant


@plant("own-input-size-broadcast", "reject.input_size", "input with one feature")
class SingleFeatureBroadcast(GRU):
    """An input with a single feature is broadcast to input_size."""

    def check_features(self, input):
        super().check_features(input.expand(*input.shape[:-1], self.input_size) if input.shape[-1] == 1 else input)

    def from_input(self, x, w):
        wide = x.shape[-1] == 1 < w.ih.shape[1]
        return super().from_input(x.expand(-1, w.ih.shape[1]) if wide else x, w)


@plant("own-input-truncated", "reject.input_size", "input with too many features")
class ExtraFeaturesCutOff(LSTM):
    """Features beyond input_size are cut off without a word."""

    def forward(self, input, hx=None):
        return super().forward(input[..., : self.input_size] if not isinstance(input, tuple) else input, hx)


@plant("own-rank-flattened", "reject.rank", "4-D input")
class FourAxesFlattened(RNN):
    """A 4-D input is flattened into a batch, and its output restored; nobody said which axis is time."""

    def forward(self, input, hx=None):
        if isinstance(input, tuple) or input.dim() != 4:
            return super().forward(input, hx)
        y, h = super().forward(input.flatten(1, 2), hx)
        return y.unflatten(1, input.shape[1:3]), h


@plant("own-state-batch-broadcast", "reject.hx_shape", "hx with batch 1")
class StateOfBatchOneBroadcast(GRU):
    """A state with a batch of one is broadcast over the batch."""

    def initial_state(self, x, state):
        if state is not None and state[0].shape[1] == 1:
            state = tuple(s.expand(-1, x.shape[1], -1) for s in state)
        return super().initial_state(x, state)


@plant("own-cell-size-unchecked", "reject.hx_shape", "LSTM, c_0 with batch 1")
class CellStateUnchecked(LSTM):
    """Only h_0 is checked; a c_0 of another batch is broadcast."""

    def check_state(self, x, state):
        super().check_state(x, (state[0], state[0].new_zeros(*state[0].shape[:2], self.hidden_size)))


@plant("own-input-cast", "reject.dtype shape.dtype_device", "input of another dtype")
class InputCastToWeights(LSTM):
    """An input of another dtype is cast to that of the weights, silently."""

    def forward(self, input, hx=None):
        dtype = self.weight("ih", 0, 0).dtype
        return super().forward(input.to(dtype), hx)


@plant("own-foreign-state-zeroed", "reject.device", "hx on another device (meta)")
class ForeignStateZeroed(RNN):
    """A state on another device, which cannot be read here, is taken for zeros."""

    def initial_state(self, x, state):
        if state is not None and state[0].device != x.device:
            state = None
        return super().initial_state(x, state)


@plant("own-packed-state-unchecked", "reject.packed_hx reject.hx_shape", "packed, hx of a larger batch")
class PackedStateUnchecked(GRU):
    """For packed input a state of a larger batch is accepted, and its first sequences are used."""

    def forward_packed(self, packed, hx):
        return super().forward_packed(packed, None if hx is None else hx[:, : int(packed.batch_sizes[0])])


@plant("own-constructor-unchecked", "reject.constructor", "dropout > 1, or a projection as large as the state")
class ConstructorUnchecked(LSTM):
    """Impossible values of dropout and proj_size are accepted."""

    def check_constructor(self):
        dropout, proj_size = self.dropout, self.proj_size
        self.dropout, self.proj_size = 0.0, 0
        super().check_constructor()
        self.dropout, self.proj_size = dropout, proj_size


@plant("own-refusal-freezes-parameters", "reject.*", "a refused hx, then a look at requires_grad")
class RefusalLeavesParametersFrozen(GRU):
    """The parameters are frozen while hx is looked at; after a refused call they stay so."""

    def initial_state(self, x, state):
        trainable = [p for p in self.parameters() if p.requires_grad]
        for p in trainable:
            p.requires_grad_(False)
        state = super().initial_state(x, state)
        for p in trainable:
            p.requires_grad_(True)
        return state


@plant("own-refusal-harms-layer", "reject.*", "a refused call, then a good one")
class RefusalLeavesLayerChanged(LSTM):
    """Packed calls switch batch_first off and on again; a refused one leaves it off."""

    def forward_packed(self, packed, hx):
        self.batch_first, wanted = False, self.batch_first
        result = super().forward_packed(packed, hx)
        self.batch_first = wanted
        return result


@plant("own-surplus-state-dropped", "reject.hx_surplus reject.hx_arity", "hx of three tensors")
class SurplusStateDropped(LSTM):
    """Of a state of more than two tensors the first two are taken."""

    def state_tuple(self, hx):
        return super().state_tuple(hx[:2] if isinstance(hx, tuple) else hx)


@plant("own-packed-features-cut-off", "reject.packed_input_size reject.input_size", "packed, too many features")
class PackedFeaturesCutOff(RNN):
    """The features of packed input are not checked, and those beyond input_size are cut off."""

    def forward_packed(self, packed, hx):
        return super().forward_packed(packed._replace(data=packed.data[:, : self.input_size]), hx)


@plant("only-h-given", "reject.hx_arity", "hx = h alone")
class MissingCellStateIsCopiedFromH(LSTM):
    """h_0 without c_0 is accepted, and c_0 := h_0 (onnx/onnx-tensorflow#408)."""

    def state_tuple(self, hx):
        if isinstance(hx, Tensor):
            hx = (hx, hx)
        if hx is not None and (len(hx) == 1 or hx[1] is None):
            hx = (hx[0], hx[0])
        return super().state_tuple(hx)


@plant("extra-layers-accepted", "reject.hx_shape", "hx with too many layers")
class ExtraLayersAccepted(LSTM):
    """A state of any number of layers is accepted; only what is needed is read (pytorch/pytorch#3259)."""

    def check_state(self, x, state):
        super().check_state(x, tuple(s[: self.num_layers * self.directions] for s in state))


@plant("hx-rank-unchecked", "reject.hx_rank reject.hx_shape", "hx of another rank with as many elements")
class StateRankUnchecked(GRU):
    """hx of any rank goes through if the number of elements fits (pytorch/pytorch#106769)."""

    def batched_state(self, hx, input):
        return self.state_tuple(hx)

    def check_state(self, x, state):
        super().check_state(x, self.reshaped(x, state))

    def initial_state(self, x, state):
        return super().initial_state(x, None if state is None else self.reshaped(x, state))

    def reshaped(self, x, state):
        return tuple(s.reshape(-1, x.shape[1], size) for s, size in zip(state, self.state_sizes(), strict=True))


@plant("state-on-other-device", "reject.hx_dtype reject.dtype reject.device", "hx of another dtype")
class StateOfOtherDtypeAccepted(LSTM):
    """hx is not checked against the input's device (pytorch/pytorch#9534); on a CPU, not against its dtype."""

    def initial_state(self, x, state):
        return super().initial_state(x, None if state is None else tuple(s.to(x.dtype) for s in state))


@plant("zero-length", "reject.empty_time", "time 0, hx random")
class EmptyTimeGivesZeroStates(LSTM):
    """time = 0 is not guarded (pytorch/pytorch#50192): it is run, and the state that was given is lost."""

    def check_input(self, input):
        if input.dim() == 3 and input.numel() == 0:
            return self.check_features(input)
        return super().check_input(input)

    def run(self, x, state, lengths):
        if len(x):
            return super().run(x, state, lengths)
        return x.new_zeros(0, x.shape[1], self.directions * self.state_size), tuple(s * 0 for s in state)


@extra("own-batch-sizes-repaired", "reject.lengths", "packed, batch sizes that do not fit")
class BatchSizesRepaired(GRU):
    """Batch sizes that grow are taken for shrinking ones, and data that is missing for zeros."""

    def forward_packed(self, packed, hx):
        sizes = packed.batch_sizes.sort(descending=True).values
        missing = int(sizes.sum()) - len(packed.data)
        data = torch.cat([packed.data, packed.data.new_zeros(max(missing, 0), packed.data.shape[1])])
        hx = None if hx is None else hx[:, : int(sizes[0])]
        return super().forward_packed(PackedSequence(data, sizes, *packed[2:]), hx)
