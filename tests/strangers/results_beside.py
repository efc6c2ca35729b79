"""Layers that return more than output and state, right ones and such that mix the sequences of a batch in it."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Bridged(nn.Module):
    """An encoder: both directions' final states, through a linear layer, are where a decoder begins."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.rnn = nn.GRU(input_size, hidden_size, bidirectional=True)
        self.bridge = nn.Linear(2 * hidden_size, 5)

    def joined(self, h):
        return torch.cat([h[-2], h[-1]], dim=1)

    def forward(self, x):
        output, h = self.rnn(x)
        return output, torch.tanh(self.bridge(self.joined(h)))


class BridgedByView(Bridged):
    """The directions' final states are viewed, not put side by side."""

    def joined(self, h):
        return h.view(h.shape[1], -1)


class Attending(nn.Module):
    """It returns the weights of an attention over its steps, by name."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.rnn = nn.LSTM(input_size, hidden_size, batch_first=True)
        self.score = nn.Linear(hidden_size, 1)

    def over(self):
        return 1

    def forward(self, x):
        output, _ = self.rnn(x)
        return {"output": output, "weights": self.score(output).squeeze(-1).softmax(self.over())}


class AttendingOverTheBatch(Attending):
    """The weights of the sequences, not those of the steps, sum to 1."""

    def over(self):
        return 0


class BridgedWithLengths(Bridged):
    """The same with lengths beside the input."""

    def forward(self, x, lengths):
        packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
        output, h = self.rnn(packed)
        output, _ = pad_packed_sequence(output, total_length=len(x))
        return output, torch.tanh(self.bridge(self.joined(self.final(x, h))))

    def final(self, x, h):
        return h


class BridgedOverPadding(BridgedWithLengths):
    """The final states are those behind the padding."""

    def final(self, x, h):
        return self.rnn(x)[1]


RIGHT, MISTAKES = (Bridged, Attending), (BridgedByView, AttendingOverTheBatch)
