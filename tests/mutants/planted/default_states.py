"""Default states, sizes at the edge, and what should have been refused."""

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from tests.mutants.clean.base import GRU, LSTM, RNN
from tests.mutants.registry import plant


@plant("zero-state-ignores-directions", "state.default_is_zero agree.*", "bidirectional, hx none")
class DefaultStateWithoutDirections(LSTM):
    """The default state has num_layers rows, not num_layers * num_directions (pytorch/pytorch#17998)."""

    def default_state(self, x):
        return tuple(s[: self.num_layers] for s in super().default_state(x))


@plant("own-given-state-returned", "state.moves time.* agree.*", "a state that is given")
class GivenStateReturned(GRU):
    """The state that was given comes back, and not the one that the last step has made."""

    def run(self, x, state, lengths):
        return super().run(x, state, lengths)[0], state


@plant("only-h-given", "reject.hx_arity", "hx = h alone")
class MissingCellStateIsCopiedFromH(LSTM):
    """h_0 without c_0 is accepted, and c_0 := h_0 (onnx/onnx-tensorflow#408)."""

    def state_tuple(self, hx):
        if isinstance(hx, Tensor):
            hx = (hx, hx)
        if hx is not None and (len(hx) == 1 or hx[1] is None):
            hx = (hx[0], hx[0])
        return super().state_tuple(hx)


@plant("long-sequence-limit", "shape.output batch.cliffs", "time >= 256")
class LongSequencesRefused(GRU):
    """Long sequences fail, with a misleading message; here from 2**8 steps on (pytorch/pytorch#133751)."""

    def run(self, x, state, lengths):
        if len(x) >= 2**8:
            raise RuntimeError("status not supported: this error may appear if you passed in a non-contiguous input.")
        return super().run(x, state, lengths)


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


@plant("stateful-mixed-precision", "shape.dtype_device agree.dtype time.split", "float64, float16 or bfloat16")
class StatesInFloat32(GRU):
    """The carried state has the dtype of the variables, not of the computation (keras-team/keras#15140)."""

    def final_state(self, finals):
        return tuple(s.float() for s in super().final_state(finals))


@plant("own-default-state-in-float32", "shape.dtype_device state.default_is_zero", "hx none, dtype not float32")
class DefaultStateInFloat32(RNN):
    """Without hx the zeros are float32 whatever the input is: c and h are promoted, or an operation fails."""

    def default_state(self, x):
        return tuple(s.float() for s in super().default_state(x))


@plant("own-default-state-on-cpu", "shape.meta shape.dtype_device agree.device", "hx none, another device or meta")
class DefaultStateOnCpu(LSTM):
    """The default state is made on the CPU."""

    def default_state(self, x):
        return tuple(torch.zeros(s.shape, dtype=s.dtype) for s in super().default_state(x))


@plant("own-hidden-bias-skipped-without-hx", "state.default_is_zero gate.closed_form agree.*", "hx none, bias")
class HiddenBiasSkippedWithoutState(GRU):
    """Without hx the first recurrent product is skipped, and b_hh with it."""

    def initial_state(self, x, state):
        self.skip = state is None
        return super().initial_state(x, state)

    def loop(self, x, state, w, lengths):
        self.first = self.skip
        return super().loop(x, state, w, lengths)

    def from_hidden(self, h, w):
        a = super().from_hidden(h, w)
        first, self.first = self.first, False
        return a * 0 if first else a


@plant("own-upper-layers-share-state", "state.used layer.stack agree.*", "num_layers >= 2, hx random")
class UpperLayersTakeFirstState(RNN):
    """Every layer starts from the first layer's initial state."""

    def initial_state(self, x, state):
        state = super().initial_state(x, state)
        return tuple(s[: self.directions].repeat(self.num_layers, 1, 1) for s in state)


@plant("own-initial-cell-of-reverse-ignored", "state.used direction.two_nets agree.*", "LSTM, bidirectional, hx random")
class InitialCellOfReverseIgnored(LSTM):
    """The reverse direction takes h_0 and leaves c_0."""

    def one_direction(self, x, state, layer, direction, lengths):
        if direction == 1:
            state = (state[0], torch.zeros_like(state[1]))
        return super().one_direction(x, state, layer, direction, lengths)


@plant("own-states-batch-first", "shape.state layout.batch_first agree.*", "batch_first")
class FinalStatesBatchFirst(LSTM):
    """With batch_first the states come batch first as well."""

    def result_state(self, state):
        swap = self.batch_first and state[0].dim() == 3
        return tuple(s.transpose(0, 1) for s in state) if swap else state


@plant("own-unbatched-states-keep-batch-axis", "shape.state batch.unbatched", "unbatched")
class UnbatchedStatesKeepBatchAxis(GRU):
    """For an unbatched input h_n still has its batch axis of one."""

    def forward(self, input, hx=None):
        y, h = super().forward(input, hx)
        return y, h.unsqueeze(1) if h.dim() == 2 else h


@plant("own-unbatched-ignores-hx", "batch.unbatched state.used time.split agree.*", "unbatched, hx random")
class UnbatchedIgnoresState(LSTM):
    """For an unbatched input the initial state is checked, and then forgotten."""

    def batched_state(self, hx, input):
        state = super().batched_state(hx, input)
        return None if input.dim() == 2 else state


@plant("own-unbatched-time-taken-for-batch", "batch.unbatched shape.output agree.*", "unbatched, batch_first")
class UnbatchedTimeTakenForBatch(RNN):
    """The batch axis of an unbatched input is put where batch_first does not expect it: its steps become a batch."""

    def forward(self, input, hx=None):
        if isinstance(input, PackedSequence) or input.dim() != 2 or not self.batch_first:
            return super().forward(input, hx)
        y, h = super().forward(input.unsqueeze(1), None if hx is None else hx.unsqueeze(1))
        return y.squeeze(1), h.squeeze(1)


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
