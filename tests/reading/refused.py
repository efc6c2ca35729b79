"""Right layers that are not read as they are: what is refused says how to wrap them."""

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence


class PackedLSTM(nn.Module):
    def __init__(self, n_features, n_units):
        super().__init__()
        self.lstm = nn.LSTM(n_features, n_units)

    def forward(self, batch: PackedSequence, state=None):
        return self.lstm(PackedSequence(*batch), state)


class PackedEncoder(nn.Module):
    def __init__(self, n_features, n_units):
        super().__init__()
        self.rnn = nn.RNN(n_features, n_units)

    def forward(self, batch):
        padded, lengths = pad_packed_sequence(batch)
        return pack_padded_sequence(self.rnn(padded)[0], lengths)


class SpacedGRU(nn.Module):
    """The hours since the step before decay the state."""

    def __init__(self, input_dim, hidden_dim):
        super().__init__()
        self.cell, self.decay = nn.GRUCell(input_dim, hidden_dim), nn.Parameter(torch.rand(hidden_dim))

    def forward(self, values, hours):
        h, outputs = values.new_zeros(values.shape[1], self.cell.hidden_size), []
        for x, dt in zip(values, hours, strict=True):
            h = self.cell(x, h * torch.exp(-self.decay * dt[:, None]))
            outputs.append(h)
        return torch.stack(outputs)


class Policy(nn.Module):
    """Batch first; the state and where episodes begin must be given."""

    def __init__(self, obs_dim, hidden_dim):
        super().__init__()
        self.cell = nn.GRUCell(obs_dim, hidden_dim)

    def forward(self, obs, rnn_states, firsts):
        outputs = []
        for t in range(obs.shape[1]):
            rnn_states = self.cell(obs[:, t], torch.where(firsts[:, t, None] > 0, 0.0, rnn_states))
            outputs.append(rnn_states)
        return torch.stack(outputs, 1), rnn_states


class SentenceRNN(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.rnn = nn.RNN(n_in, n_out)

    def forward(self, sentence):
        assert sentence.dim() == 2, "one sentence"
        return self.rnn(sentence)[0]


class CutOff(SentenceRNN):
    """No gradient reaches the input."""

    def forward(self, x):
        return super().forward(x.detach())


class BatchOfOne(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.rnn = nn.GRU(n_in, n_out)

    def forward(self, x, h=None):
        assert x.shape[1] == 1, "one sequence at a time"
        return self.rnn(x, h)


class FlatScores(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.rnn = nn.GRU(n_in, n_out)

    def forward(self, x, hidden=None):
        output, hidden = self.rnn(x, hidden)
        return output.reshape(-1, output.shape[2]), hidden


class TimeLast(nn.Module):
    """(features, batch, time)"""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.rnn = nn.LSTM(n_in, n_out)

    def forward(self, x):
        return self.rnn(x.permute(2, 1, 0))[0].permute(2, 1, 0)


class TimeLastWithState(TimeLast):
    def forward(self, x, state=None):
        output, state = self.rnn(x.permute(2, 1, 0), state)
        return output.permute(2, 1, 0), state


class Namespaced(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.rnn = getattr(nn, args.cell_type)(args.input_size, args.rnn_size, args.num_layers)

    def forward(self, x, state=None):
        return self.rnn(x, state)


class Pyramid(nn.Module):
    """Two steps become one."""

    def __init__(self, input_dim, hidden_dim):
        super().__init__()
        self.blstm = nn.LSTM(2 * input_dim, hidden_dim, batch_first=True, bidirectional=True)

    def forward(self, x):
        return self.blstm(x[:, : x.shape[1] // 2 * 2].unflatten(1, (-1, 2)).flatten(2))[0]


class PyramidOfTwo(nn.Module):
    """A layer that reads each step comes before the one in which two become one; zeros fill up an odd number of steps."""

    def __init__(self, input_dim, hidden_dim):
        super().__init__()
        self.bottom = nn.GRU(input_dim, hidden_dim, batch_first=True)
        self.top = nn.GRU(2 * hidden_dim, hidden_dim, batch_first=True, bidirectional=True)

    def forward(self, x):
        y, _ = self.bottom(x)
        y = nn.functional.pad(y, (0, 0, 0, y.shape[1] % 2))
        return self.top(y.unflatten(1, (-1, 2)).flatten(2))[0]


class SlotMemory(nn.Module):
    """One step, with a state of three tensors, a tuple among them, whose sizes are no multiples of the others."""

    def __init__(self, input_size, output_size, slots=5, width=6):
        super().__init__()
        self.slots, self.width = slots, width
        self.cell, self.head = nn.LSTMCell(input_size + width, 9), nn.Linear(9, slots + width)
        self.out = nn.Linear(9 + width, output_size)

    def create_new_state(self, batch_size):
        zeros = self.out.weight.new_zeros
        state = zeros(batch_size, 9), zeros(batch_size, 9)
        return zeros(batch_size, self.width), state, zeros(batch_size, self.slots, self.width)

    def forward(self, x, prev_state):
        read, state, memory = prev_state
        h, c = self.cell(torch.cat([x, read], 1), state)
        where, what = self.head(h).split([self.slots, self.width], 1)
        where = self.address(where)[..., None]
        memory = memory * (1 - where) + where * what[:, None]
        read = (where * memory).sum(1)
        return torch.sigmoid(self.out(torch.cat([h, read], 1))), (read, (h, c), memory)

    def address(self, where):
        return torch.softmax(where, 1)


class SlotMemoryCut(SlotMemory):
    """No gradient reaches the slots."""

    def address(self, where):
        return torch.softmax(where, 1).detach()


class PyramidCut(Pyramid):
    """No gradient reaches the input."""

    def forward(self, x):
        return super().forward(x.detach())


class PyramidOfLengths(Pyramid):
    """It must be given the numbers of steps, and returns half of them beside the output."""

    def forward(self, x, lens):
        packed = pack_padded_sequence(super().forward(x), lens.cpu() // 2, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(packed, batch_first=True)[0], lens // 2


class PyramidOfLengthsCut(PyramidOfLengths):
    """No gradient reaches the input."""

    def forward(self, x, lens):
        return super().forward(x.detach(), lens)


class PackedMixed(nn.Module):
    """A packed sequence in and out, with both directions in each feature."""

    def __init__(self, embed_dim, hidden_dim):
        super().__init__()
        self.rnn = nn.GRU(embed_dim, hidden_dim, bidirectional=True)
        self.mix = nn.Linear(2 * hidden_dim, hidden_dim)

    def forward(self, packed):
        output, _ = self.rnn(packed)
        return output._replace(data=self.mix(output.data))


REFUSED = (PackedLSTM, PackedEncoder, SentenceRNN, BatchOfOne, Pyramid, PyramidOfTwo, SlotMemory, PyramidOfLengths, PackedMixed)
READ = {
    SpacedGRU: "beside it hours", Policy: "beside it firsts, the state is forgotten before such a step", Namespaced: "state h",
    FlatScores: "steps and rows in one axis of the output", TimeLast: "(features, batch, time)",
    TimeLastWithState: "(features, batch, time), state (h, c)",
}  # fmt: skip
"""Layers that are read without a wrapper, and what the reading says of them."""
