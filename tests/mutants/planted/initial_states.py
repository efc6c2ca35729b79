"""Initial states: the default, the ones that are given, and their axes."""

import torch
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


@plant("own-one-tensor-for-both-states", "state.one_tensor", "LSTM, h_0 and c_0 are one tensor")
class OneTensorForBothStates(LSTM):
    """One tensor given for both is taken for the mark that means no state at all."""

    def batched_state(self, hx, input):
        one = hx is not None and len(hx) == 2 and hx[0] is hx[1]
        return super().batched_state(None if one else hx, input)
