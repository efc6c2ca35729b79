"""Mistakes of the code around a layer, planted where the layer lays out its own states and batches."""

import torch

from tests.mutants.clean.base import GRU, LSTM, RNN
from tests.mutants.registry import plant


@plant("hidden-scattered-on-dim0", "layout.batch_first batch.* state.used agree.*", "batch_first, hx random")
class StateScatteredOnFirstAxis(LSTM):
    """With batch_first the first axis of the state is taken for the batch (pytorch/pytorch#15260)."""

    def initial_state(self, x, state):
        state = super().initial_state(x, state)
        if not self.batch_first:
            return state
        return tuple(s.reshape(s.shape[1], s.shape[0], s.shape[2]).transpose(0, 1) for s in state)


@plant("read-last-index-of-reverse", "state.is_last_output time.memory direction.* agree.*", "bidirectional, time >= 2")
class ReverseStateAtLastIndex(GRU):
    """The reverse state is read at the last time, where it has seen one step only (yunjey/pytorch-tutorial#149)."""

    def one_direction(self, x, state, layer, direction, lengths):
        y, final = super().one_direction(x, state, layer, direction, lengths)
        return y, (y[-1],) if direction == 1 and lengths is None else final


@plant("view-instead-of-transpose", "batch.* state.is_last_output agree.*", "batch >= 2, several layers or directions")
class StatesViewedNotTransposed(LSTM):
    """A view where a transpose is needed: the states of different sequences mix (facebookresearch/fairseq#239)."""

    def final_state(self, finals):
        states = super().final_state(finals)
        return tuple(s.transpose(0, 1).reshape(s.shape) for s in states)


@plant("bridge-mixes-layers", "batch.* state.used agree.*", "num_layers >= 2, batch >= 2, hx random")
class InitialStatesMixLayersAndBatch(GRU):
    """The initial states are viewed as (-1, layers * features), which mixes sequences (OpenNMT/OpenNMT-py#1521)."""

    def initial_state(self, x, state):
        (h,) = super().initial_state(x, state)
        rows = h.reshape(-1, h.shape[0] * h.shape[2]) if h.shape[1] else h
        return (rows.reshape(h.shape[1], h.shape[0], h.shape[2]).transpose(0, 1),)


@plant("reshape-batch-time", "batch.* layout.batch_first agree.*", "batch_first, batch >= 2, time >= 2")
class BatchReshapedIntoTime(RNN):
    """The batch-first input is reshaped, not transposed: right for a batch of one (NervanaSystems/neon#311)."""

    def time_major(self, input):
        if input.dim() == 2 or not self.batch_first:
            return super().time_major(input)
        return input.reshape(input.shape[1], input.shape[0], input.shape[2])


@plant("own-state-pair-swapped", "state.* time.split agree.*", "LSTM, hx random")
class StatePairSwapped(LSTM):
    """The pair of initial states is unpacked as (c_0, h_0) where the sizes agree."""

    def initial_state(self, x, state):
        h, c = super().initial_state(x, state)
        return (c, h) if h.shape == c.shape else (h, c)


@plant("own-last-layer-state-repeated", "layer.stack state.* agree.*", "num_layers >= 2")
class LastLayerStateRepeated(RNN):
    """h_n is the last layer's state for every layer."""

    def final_state(self, finals):
        return super().final_state(finals[-self.directions :] * self.num_layers)


@plant("own-halved-batch", "batch.* state.is_last_output agree.*", "batch odd and >= 3")
class BatchHalvedAndRejoined(GRU):
    """A large batch is run in two halves; for an odd one the middle sequence's state is that of its neighbour."""

    def run(self, x, state, lengths):
        batch = x.shape[1]
        y, (h,) = super().run(x, state, lengths)
        if batch < 3 or batch % 2 == 0:
            return y, (h,)
        half = batch // 2
        return y, (torch.cat([h[:, :half], h[:, half - 1 : half], h[:, half + 1 :]], dim=1),)
