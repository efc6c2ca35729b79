"""Right layers in further conventions, each with a mistake of its own."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class ListedOutputs(nn.Module):
    """A list of outputs beside a pair of states."""

    def __init__(self, num_inputs, num_hiddens):
        super().__init__()
        self.num_hiddens = num_hiddens
        self.cell = nn.LSTMCell(num_inputs, num_hiddens)

    def forward(self, inputs, H_C=None):
        state = H_C or (inputs.new_zeros(inputs.shape[1], self.num_hiddens),) * 2
        outputs = []
        for x in inputs:
            state = self.cell(x, state)
            outputs.append(state[0])
        return outputs, state


class ListedOutputsWrong(ListedOutputs):
    """The state that is given has no effect."""

    def forward(self, inputs, H_C=None):
        return super().forward(inputs, None if H_C is None else tuple(0 * part for part in H_C))


class StateFirst(nn.Module):
    """(carry, inputs) -> (carry, outputs)"""

    def __init__(self, in_features, features):
        super().__init__()
        self.gru = nn.GRU(in_features, features, batch_first=True)

    def forward(self, hidden, x):
        out, hidden = self.gru(x, hidden)
        return hidden, out


class StateFirstWrong(StateFirst):
    """A step reads the input of another step."""

    def forward(self, hidden, x):
        return super().forward(hidden, x.flip(1))


class ReturnedTwice(nn.Module):
    """A cell that returns its output, and a list of it for a state."""

    def __init__(self, inp_size, size):
        super().__init__()
        self.layer, self.norm = nn.Linear(inp_size + size, 3 * size, bias=False), nn.LayerNorm(3 * size)

    def forward(self, inputs, state):
        reset, candidate, update = self.norm(self.layer(torch.cat([inputs, state[0]], -1))).chunk(3, -1)
        update = torch.sigmoid(update - 1)
        output = update * torch.tanh(torch.sigmoid(reset) * candidate) + (1 - update) * state[0]
        return output, [output]


class ReturnedTwiceWrong(ReturnedTwice):
    """The old state is returned."""

    def forward(self, inputs, state):
        return super().forward(inputs, state)[0], [state[0] + 0]


class LongestFirst(nn.Module):
    """Lengths in descending order alone, as pack_padded_sequence wants them."""

    def __init__(self, idim, hdim):
        super().__init__()
        self.rnn = nn.GRU(idim, hdim, batch_first=True)

    def forward(self, xs_pad, ilens):
        packed, states = self.rnn(pack_padded_sequence(xs_pad, ilens.cpu(), batch_first=True))
        return pad_packed_sequence(packed, batch_first=True, total_length=xs_pad.size(1))[0], states


class LongestFirstWrong(LongestFirst):
    """The padding is read."""

    def forward(self, xs_pad, ilens):
        super().forward(xs_pad, ilens)
        return self.rnn(xs_pad)


class Columns(nn.Module):
    """Columns of vectors: inputs (time, features, batch), a state (hidden, batch)."""

    def __init__(self, vocab_size, hidden_size):
        super().__init__()
        self.Wxh = nn.Parameter(torch.randn(hidden_size, vocab_size) * 0.1)
        self.Whh = nn.Parameter(torch.randn(hidden_size, hidden_size) * 0.1)
        self.bh = nn.Parameter(torch.zeros(hidden_size, 1))

    def forward(self, inputs, hprev):
        hs = []
        for x in inputs:
            hprev = torch.tanh(self.Wxh @ x + self.Whh @ hprev + self.bh)
            hs.append(hprev)
        return torch.stack(hs), hprev


class ColumnsWrong(Columns):
    """Sequences are mixed."""

    def forward(self, inputs, hprev):
        return super().forward(inputs, hprev.mean(1, keepdim=True).expand_as(hprev))


class AttendingStep(nn.Module):
    """A decoder that takes one step, (batch, 1, features), and what an encoder returned."""

    def __init__(self, hidden_size, output_size):
        super().__init__()
        self.embedding = nn.Embedding(output_size, hidden_size)
        self.gru = nn.GRU(2 * hidden_size, hidden_size, batch_first=True)
        self.out = nn.Linear(hidden_size, output_size)

    def forward(self, input, hidden, encoder_outputs):
        weights = F.softmax((hidden.permute(1, 0, 2) * encoder_outputs).sum(-1), -1)
        context = torch.bmm(weights.unsqueeze(1), encoder_outputs)
        output, hidden = self.gru(torch.cat((self.embedding(input), context), 2), hidden)
        return self.out(output), hidden, weights


class AttendingStepWrong(AttendingStep):
    """Sequences are mixed."""

    def forward(self, input, hidden, encoder_outputs):
        return super().forward(input, hidden.roll(1, 1), encoder_outputs)


class SharedSize(nn.Module):
    """Its size is that of both directions together; another parameter is for the loss alone."""

    def __init__(self, embedding_dim, hidden_dim):
        super().__init__()
        self.lstm = nn.LSTM(embedding_dim, hidden_dim // 2, bidirectional=True, batch_first=True)
        self.transitions = nn.Parameter(torch.randn(3, 3))

    def forward(self, sentence):
        return self.lstm(sentence)[0]

    def score(self, emissions, tags):
        """The score of a path, in which the transitions count."""
        return emissions.gather(2, tags[..., None]).sum((1, 2)) + self.transitions[tags[:, 1:], tags[:, :-1]].sum(1)


class SharedSizeWrong(SharedSize):
    """Sequences are mixed."""

    def forward(self, sentence):
        out = super().forward(sentence)
        return out + out.mean(0)


class Agent(nn.Module):
    """The size of the input, and all else in an object of options."""

    def __init__(self, input_shape, args):
        super().__init__()
        self.args = args
        self.fc = nn.Linear(input_shape, args.rnn_hidden_dim)
        self.rnn = nn.GRUCell(args.rnn_hidden_dim, args.rnn_hidden_dim)

    def init_hidden(self):
        return self.fc.weight.new_zeros(1, self.args.rnn_hidden_dim)

    def forward(self, inputs, hidden_state):
        h = self.rnn(torch.tanh(self.fc(inputs)), hidden_state.reshape(-1, self.args.rnn_hidden_dim))
        return h, h


class AgentWrong(Agent):
    """The state that is given has no effect."""

    def forward(self, inputs, hidden_state):
        return super().forward(inputs, 0 * hidden_state)


class Keeping(nn.Module):
    """Keeps its state, and is told by a method whose argument may be left out how many sequences come."""

    def __init__(self, state_dim, hidden_dim):
        super().__init__()
        self.lstm, self.hidden_dim, self.hidden = nn.LSTM(state_dim, hidden_dim, batch_first=True), hidden_dim, None

    def reset_hidden(self, batch_size=1):
        zeros = self.lstm.weight_hh_l0.new_zeros(1, batch_size, self.hidden_dim)
        self.hidden = (zeros, zeros)

    def forward(self, x):
        y, self.hidden = self.lstm(x, self.hidden)
        return y


class KeepingWrong(Keeping):
    """The reset leaves a part of the state."""

    def reset_hidden(self, batch_size=1):
        before = self.hidden
        super().reset_hidden(batch_size)
        if before is not None and before[1].shape == self.hidden[1].shape:
            self.hidden = (self.hidden[0], before[1].detach().to(self.hidden[1]))


class Masked(nn.Module):
    """The state is multiplied by masks, which are 0 where an episode begins."""

    def __init__(self, recurrent_input_size, hidden_size):
        super().__init__()
        self.gru = nn.GRUCell(recurrent_input_size, hidden_size)

    def forward(self, x, hxs, masks):
        h = self.gru(x, hxs * masks)
        return h, h


class MaskedWrong(Masked):
    """The future of the episode is lost: no gradient goes through the state."""

    def forward(self, x, hxs, masks):
        return super().forward(x, hxs.detach(), masks)


class InADictionary(nn.Module):
    def __init__(self, in_dim, hidden_size):
        super().__init__()
        self.gru = nn.GRU(in_dim, hidden_size, batch_first=True)

    def forward(self, td):
        return {**td, "embed": self.gru(td["observation"])[0]}


class OfImages(nn.Module):
    """(time, batch, channels, height, width)"""

    def __init__(self, input_dim, hidden_dim, kernel_size=3):
        super().__init__()
        self.hidden_dim = hidden_dim
        self.conv = nn.Conv2d(input_dim + hidden_dim, 2 * hidden_dim, kernel_size, padding=kernel_size // 2)

    def forward(self, x, h=None):
        h = x.new_zeros(x.shape[1], self.hidden_dim, *x.shape[3:]) if h is None else h
        outputs = []
        for step in x:
            z, n = self.conv(torch.cat([step, h], 1)).chunk(2, 1)
            h = torch.sigmoid(z) * h + (1 - torch.sigmoid(z)) * torch.tanh(n)
            outputs.append(h)
        return torch.stack(outputs), h


class VectorCell(nn.Module):
    """A cell that takes a batch of vectors, or one vector, and returns its state alone."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.of_input, self.of_state = nn.Linear(input_size, hidden_size), nn.Linear(hidden_size, hidden_size, bias=False)

    def forward(self, x, h=None):
        h = x.new_zeros(*x.shape[:-1], self.hidden_size) if h is None else h
        return torch.tanh(self.of_input(x) + self.of_state(h))


class VectorCellWrong(VectorCell):
    """The state of one vector is left out."""

    def forward(self, x, h=None):
        return super().forward(x, h if x.dim() == 2 else None)


class TwoWays(nn.Module):
    """A GRU in each direction, no state goes in."""

    def __init__(self, input_dim, hidden_dim):
        super().__init__()
        self.forwards, self.backwards = (nn.GRU(input_dim, hidden_dim, batch_first=True) for _ in range(2))

    def forward(self, x):
        forwards, h = self.forwards(x)
        backwards, _ = self.backwards(x.flip(1))
        return torch.cat([forwards, backwards.flip(1)], -1), torch.cat([h, self.end_of(backwards.flip(1))[None]])

    def end_of(self, backwards):
        return backwards[:, 0]


class TwoWaysWrong(TwoWays):
    """The final state of the way back is that of its first step."""

    def end_of(self, backwards):
        return backwards[:, -1]


LAYERS = {
    ListedOutputs: ("(time, batch, features), state (h, c)", ListedOutputsWrong),
    StateFirst: ("(batch, time, features), state h", StateFirstWrong),
    ReturnedTwice: ("(batch, features), one step per call, state h", ReturnedTwiceWrong),
    LongestFirst: ("ilens: tensor, longest first", LongestFirstWrong),
    Columns: ("(time, features, batch), state h", ColumnsWrong),
    AttendingStep: ("(batch, 1, features), one step per call, state h", AttendingStepWrong),
    SharedSize: ("two directions, not looked at: parameter transitions", SharedSizeWrong),
    Agent: ("(batch, features), one step per call, state h", AgentWrong),
    Keeping: ("reset_hidden() before each call", KeepingWrong),
    Masked: ("argument masks, given as 1", MaskedWrong),
    TwoWays: ("(batch, time, features), state h, two directions", TwoWaysWrong),
    VectorCell: ("(batch, features), one step per call, state h", VectorCellWrong),
}
"""Each right layer, with what is said of how it is read and with its mistakes."""
WRAPPED = (InADictionary, OfImages)
"""Layers that a wrapper is shown for."""
