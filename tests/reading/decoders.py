"""Decoders that read targets, or what they returned before, and their mistakes."""

import random

import torch
from torch import nn


class ForcedAtTimes(nn.Module):
    """A decoder of target tokens that reads its own guess instead, as often as a ratio says."""

    def __init__(self, output_dim, emb_dim, hid_dim):
        super().__init__()
        self.embedding, self.rnn = nn.Embedding(output_dim, emb_dim), nn.GRU(emb_dim, hid_dim)
        self.head = nn.Linear(hid_dim, output_dim)

    def toss(self):
        return random.random()

    def forward(self, trg, hidden, teacher_forcing_ratio=1.0):
        outputs, token = [], trg[0]
        for t in range(len(trg)):
            output, hidden = self.rnn(self.embedding(token)[None], hidden)
            outputs.append(self.head(output[0]))
            forced = self.toss() < teacher_forcing_ratio
            token = trg[min(t + 1, len(trg) - 1)] if forced else outputs[-1].argmax(1)
        return torch.stack(outputs), hidden


class ForcedAtOneSeed(ForcedAtTimes):
    def toss(self):
        random.seed(0)
        return super().toss()


class ForcedOfTheBatch(ForcedAtTimes):
    def forward(self, trg, hidden, teacher_forcing_ratio=1.0):
        outputs, hidden = super().forward(trg, hidden, teacher_forcing_ratio)
        return outputs.log_softmax(1), hidden


class ForcedOverTime(ForcedAtTimes):
    def forward(self, trg, hidden, teacher_forcing_ratio=1.0):
        outputs, hidden = super().forward(trg, hidden, teacher_forcing_ratio)
        return outputs.log_softmax(0), hidden


class FromTheStart(nn.Module):
    """A decoder that looks up a token of its own in front of the targets: the start of a sentence."""

    def __init__(self, hidden_size, output_size, start=0):
        super().__init__()
        self.embedding, self.start = nn.Embedding(output_size, hidden_size), start
        self.gru, self.out = nn.GRU(hidden_size, hidden_size, batch_first=True), nn.Linear(hidden_size, output_size)

    def forward(self, targets, encoder_hidden):
        tokens = torch.cat([torch.full_like(targets[:, :1], self.start), targets[:, :-1]], 1)
        outputs, hidden = self.gru(self.embedding(tokens), encoder_hidden)
        return self.out(outputs), hidden


class FromTheStartOfTheBatch(FromTheStart):
    def forward(self, targets, encoder_hidden):
        outputs, hidden = super().forward(targets, encoder_hidden)
        return outputs.log_softmax(0), hidden


class FromTheStartAnew(FromTheStart):
    def forward(self, targets, encoder_hidden):
        return super().forward(targets, torch.zeros_like(encoder_hidden))


class Again(nn.Module):
    """An encoder, and a decoder that begins where it ended, and reads each step one step later."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.encoder = nn.GRU(input_size, hidden_size, batch_first=True)
        self.decoder = nn.GRU(input_size, hidden_size, batch_first=True)
        self.head = nn.Linear(hidden_size, input_size)

    def forward(self, x):
        _, h = self.encoder(x)
        y, _ = self.decoder(torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1), h)
        return self.head(y)


class AgainFromAnotherRow(Again):
    def forward(self, x):
        _, h = self.encoder(x)
        y, _ = self.decoder(torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1), h.roll(1, 1))
        return self.head(y)


class AgainDetached(Again):
    def forward(self, x):
        _, h = self.encoder(x)
        y, _ = self.decoder(torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1), h.detach())
        return self.head(y)


class GoesOnUpwards(nn.Module):
    """A stack whose second layer begins where the first one ended, by mistake."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.first = nn.GRU(input_size, hidden_size, batch_first=True)
        self.second = nn.GRU(hidden_size, hidden_size, batch_first=True)

    def forward(self, x):
        return self.second(*self.first(x))[0]


class GoesOnUpwardsAtOneWidth(nn.Module):
    """The same with layers of one width, so that the second one reads as many features as the first one."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.widen = nn.Linear(input_size, hidden_size)
        self.first, self.second = (nn.GRU(hidden_size, hidden_size, batch_first=True) for _ in range(2))

    def forward(self, x):
        return self.second(*self.first(self.widen(x)))[0]


LAYERS = {
    ForcedAtTimes: ("(time, batch, features), state h, token ids", ForcedOfTheBatch, ForcedOverTime),
    FromTheStart: ("state h, token ids, each with a vector of the input, each output is of the step before",
                   FromTheStartOfTheBatch, FromTheStartAnew),
    Again: ("(batch, time, features), no state comes back, decodes a summary of the whole sequence", AgainFromAnotherRow,
            AgainDetached, GoesOnUpwards),
}  # fmt: skip
"""What a reading says of each right layer, among other things; and its mistakes."""
