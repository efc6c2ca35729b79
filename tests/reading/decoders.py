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


class ForcedOverTime(ForcedAtTimes):
    def forward(self, trg, hidden, teacher_forcing_ratio=1.0):
        outputs, hidden = super().forward(trg, hidden, teacher_forcing_ratio)
        return outputs.log_softmax(0), hidden


LAYERS = {
    ForcedAtTimes: ("(time, batch, features), state h, token ids", ForcedAtOneSeed, ForcedOverTime),
}  # fmt: skip
"""What a reading says of each right layer, among other things; and its mistakes."""
