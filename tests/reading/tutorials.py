"""Layers as tutorials and courses write them, each with mistakes of its own."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence


class SumsBothWays(nn.Module):
    """An encoder that adds its two directions up, and returns the states of both."""

    def __init__(self, input_size, embed_size, hidden_size, n_layers=1, dropout=0.5):
        super().__init__()
        self.hidden_size, self.embed = hidden_size, nn.Embedding(input_size, embed_size)
        self.gru = nn.GRU(embed_size, hidden_size, n_layers, dropout=dropout, bidirectional=True)

    def forward(self, src, hidden=None):
        outputs, hidden = self.gru(self.embed(src), hidden)
        return outputs[:, :, : self.hidden_size] + outputs[:, :, self.hidden_size :], hidden


class SumsBothWaysOfOtherRows(SumsBothWays):
    """The second direction is that of the next sequence."""

    def forward(self, src, hidden=None):
        outputs, hidden = self.gru(self.embed(src), hidden)
        return outputs[:, :, : self.hidden_size] + outputs[:, :, self.hidden_size :].roll(1, 1), hidden


class SumsBothWaysFromZeros(SumsBothWays):
    """The state that is given has no effect."""

    def forward(self, src, hidden=None):
        return super().forward(src)


class DropsWords(nn.Module):
    """An encoder whose dropout acts on the vectors of the words, and between its layers."""

    def __init__(self, input_dim, embedding_dim, hidden_dim, n_layers, dropout):
        super().__init__()
        self.embedding = nn.Embedding(input_dim, embedding_dim)
        self.rnn, self.dropout = nn.LSTM(embedding_dim, hidden_dim, n_layers, dropout=dropout), nn.Dropout(dropout)

    def forward(self, src):
        _, (hidden, cell) = self.rnn(self.dropout(self.embedding(src)))
        return hidden, cell


class DropsWordsInEval(DropsWords):
    """F.dropout acts in eval() too."""

    def forward(self, src):
        _, (hidden, cell) = self.rnn(F.dropout(self.embedding(src), 0.5))
        return hidden, cell


class RowsFirstByDefault(nn.Module):
    """Its batch_first can be turned off, and does not work then: view() refuses the transposed tensor."""

    def __init__(self, input_size, hidden_size, batch_first=True):
        super().__init__()
        self.rnn, self.fc = nn.RNN(input_size, hidden_size, batch_first=batch_first), nn.Linear(hidden_size, input_size)
        self.input_size, self.hidden_size, self.batch_first = input_size, hidden_size, batch_first

    def forward(self, x):
        x, _ = self.rnn(x)
        if self.batch_first:
            return self.fc(x.contiguous().view(-1, self.hidden_size)).view(*x.shape[:2], self.input_size)
        return self.fc(x.transpose(0, 1).view(-1, self.hidden_size)).view(x.shape[1], x.shape[0], self.input_size)


class RowsFirstMixed(RowsFirstByDefault):
    """The steps of all rows are put in order of time, and taken apart in order of rows."""

    def forward(self, x):
        x, _ = self.rnn(x)
        return self.fc(x.transpose(0, 1).reshape(-1, self.hidden_size)).view(*x.shape[:2], self.input_size)


class OfBothDirections(nn.Module):
    """A classifier whose head is as large as two directions, though an option says whether there are two."""

    def __init__(self, vocab_size, embedding_dim, hidden_dim, output_dim, n_layers, bidirectional, dropout, pad_idx):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_dim, padding_idx=pad_idx)
        drops = dropout if n_layers > 1 else 0
        self.rnn = nn.LSTM(embedding_dim, hidden_dim, n_layers, bidirectional=bidirectional, dropout=drops)
        self.fc, self.dropout = nn.Linear(2 * hidden_dim, output_dim), nn.Dropout(dropout)

    def forward(self, text, text_lengths):
        packed = pack_padded_sequence(self.dropout(self.embedding(text)), text_lengths.cpu())
        return self.fc(self.dropout(self.ends(*self.rnn(packed))))

    def ends(self, packed, state):
        return torch.cat([state[0][-2], state[0][-1]], 1)


class OfOneDirectionTwice(OfBothDirections):
    """The end of the first direction is taken twice."""

    def ends(self, packed, state):
        return torch.cat([state[0][-2], state[0][-2]], 1)


class OfBothDirectionsPadded(OfBothDirections):
    """It reads the padding."""

    def forward(self, text, text_lengths):
        return self.fc(self.dropout(self.ends(*self.rnn(self.dropout(self.embedding(text))))))


class MogrifierCell(nn.Module):
    """An LSTM cell whose input and state change each other by turns; how often must be given."""

    def __init__(self, input_size, hidden_size, mogrify_steps):
        super().__init__()
        self.x2h, self.h2h = nn.Linear(input_size, 4 * hidden_size), nn.Linear(hidden_size, 4 * hidden_size)
        sizes = [(input_size, hidden_size), (hidden_size, input_size)]
        self.turns = nn.ModuleList([nn.Linear(*sizes[i % 2 == 0]) for i in range(mogrify_steps)])

    def forward(self, x, states):
        h, c = states
        for i, turn in enumerate(self.turns):
            x, h = (x, 2 * torch.sigmoid(turn(x)) * h) if i % 2 else (2 * torch.sigmoid(turn(h)) * x, h)
        i, f, g, o = (self.x2h(x) + self.h2h(h)).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class MogrifierCellOfTheBatch(MogrifierCell):
    """The state that changes the input is the mean over the batch."""

    def forward(self, x, states):
        return super().forward(2 * torch.sigmoid(self.turns[0](states[0].mean(0, keepdim=True))) * x, states)


class DoubleInside(nn.Module):
    """A predictor of numbers with sizes of its own, whose first states are of float64 whatever it is given."""

    def __init__(self):
        super().__init__()
        self.lstm1, self.lstm2, self.linear = nn.LSTMCell(1, 9), nn.LSTMCell(9, 9), nn.Linear(9, 1)

    def forward(self, input):
        zeros = torch.zeros(input.size(0), 9, dtype=torch.double)
        one, two, outputs = (zeros, zeros), (zeros, zeros), []
        for step in input.split(1, dim=1):
            one = self.lstm1(step, one)
            two = self.lstm2(one[0], two)
            outputs.append(self.linear(two[0]))
        return self.joined(outputs)

    def joined(self, outputs):
        return torch.cat(outputs, dim=1)


class DoubleInsideBackwards(DoubleInside):
    """The outputs come back in reverse order."""

    def joined(self, outputs):
        return torch.cat(outputs[::-1], dim=1)


class HighwayOfBothWays(nn.Module):
    """Convolutions over time, and two directions behind them, side by side: each output depends on each input."""

    def __init__(self, in_dim):
        super().__init__()
        self.conv = nn.Conv1d(in_dim, in_dim, 3, padding=1)
        self.gru = nn.GRU(in_dim, in_dim, batch_first=True, bidirectional=True)

    def forward(self, inputs):
        return self.gru(inputs + torch.relu(self.mixed(inputs.transpose(1, 2)).transpose(1, 2)))[0]

    def mixed(self, x):
        return self.conv(x)


class HighwayOfTheBatch(HighwayOfBothWays):
    """What the convolutions see is the mean over the batch."""

    def mixed(self, x):
        return self.conv(x.mean(0, keepdim=True))


class LastStep(nn.Module):
    """A classifier of the last step."""

    def __init__(self, input_size, hidden_size, num_layers, num_classes):
        super().__init__()
        self.rnn, self.fc = nn.GRU(input_size, hidden_size, num_layers, batch_first=True), nn.Linear(hidden_size, num_classes)

    def forward(self, x):
        return self.fc(self.rnn(x)[0][:, -1])


class Squeezed(LastStep):
    """A single sequence comes back without its axis."""

    def forward(self, x):
        return super().forward(x).squeeze()


class LogSoftmaxed(nn.Module):
    """A language model of characters that returns logarithms of probabilities: with one character, they are always 0."""

    def __init__(self, vocab_size, hidden_size, num_layers=1):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, vocab_size)
        self.rnn = nn.RNN(vocab_size, hidden_size, num_layers, batch_first=True)
        self.output_proj = nn.Linear(hidden_size, vocab_size)

    def forward(self, x, hidden=None):
        output, hidden = self.rnn(self.embedding(x), hidden)
        return self.normalised(self.output_proj(output)), hidden

    def normalised(self, scores):
        return scores.log_softmax(-1)


class LogSoftmaxedOverTime(LogSoftmaxed):
    """Probabilities add up to 1 over the steps, not over the characters."""

    def normalised(self, scores):
        return scores.log_softmax(1)


class LogSoftmaxedUntrained(LogSoftmaxed):
    """The state is cut off before the head."""

    def forward(self, x, hidden=None):
        output, hidden = self.rnn(self.embedding(x), hidden)
        return self.normalised(self.output_proj(output.detach())), hidden


class GatesOfTheCell(nn.Module):
    """An LSTM whose gates see the input and the last cell, so that the h of the step before is used by none."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.x2g, self.c2g = nn.Linear(input_size, 4 * hidden_size), nn.Linear(hidden_size, 4 * hidden_size, bias=False)

    def forward(self, x, state):
        h, c = state
        outputs = []
        for step in x:
            i, f, o, g = (self.x2g(step) + self.c2g(c)).chunk(4, -1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            outputs.append(h)
        return torch.stack(outputs), (h, c)


class GatesOfTheCellFromZeros(GatesOfTheCell):
    """The cell that is given has no effect."""

    def forward(self, x, state):
        return super().forward(x, (state[0], torch.zeros_like(state[1])))


class GivesTheLastState(nn.Module):
    """Layers that take a list of states, and return that of the last layer alone."""

    def __init__(self, input_size, hidden_size, num_layers=1):
        super().__init__()
        sizes = [input_size, *[hidden_size] * num_layers]
        self.layers = nn.ModuleList([nn.GRUCell(*pair) for pair in zip(sizes, sizes[1:], strict=False)])

    def forward(self, x, states):
        for cell, h in zip(self.layers, states, strict=True):
            outputs = []
            for step in x:
                h = cell(step, h)
                outputs.append(h)
            x = torch.stack(outputs)
        return x, [h]


class GivesTheFirstState(GivesTheLastState):
    def forward(self, x, states):  # what comes back is the state that was given
        return super().forward(x, states)[0], states


LAYERS = {
    SumsBothWays: ("state of 2 tensors or parts, token ids", SumsBothWaysOfOtherRows, SumsBothWaysFromZeros),
    DropsWords: ("state (h, c), token ids", DropsWordsInEval),
    RowsFirstByDefault: ("(batch, time, features), no state comes back, not looked at: batch_first", RowsFirstMixed),
    OfBothDirections: ("returns only the last output, text_lengths: tensor, longest first", OfOneDirectionTwice,
                       OfBothDirectionsPadded),
    MogrifierCell: ("(batch, features), one step per call, state (h, c)", MogrifierCellOfTheBatch),
    GatesOfTheCell: ("(time, batch, features), state (h, c)", GatesOfTheCellFromZeros),
    GivesTheLastState: ("(time, batch, features), state h", GivesTheFirstState),
    DoubleInside: ("(batch, time), each input a number, no state comes back", DoubleInsideBackwards),
    HighwayOfBothWays: ("(batch, time, features), no state comes back, two directions in the same features", HighwayOfTheBatch),
    LastStep: ("(batch, time, features), no state comes back, returns only the last output", Squeezed),
    LogSoftmaxed: ("(batch, time, features), state h, token ids", LogSoftmaxedOverTime, LogSoftmaxedUntrained),
}  # fmt: skip
"""What a reading says of each right layer, among other things; and its mistakes."""
