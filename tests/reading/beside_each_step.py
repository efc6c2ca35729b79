"""Layers that are given more at each step: ids, times, a memory with its mask; and a size that is 6 by chance."""

import torch
from torch import nn


class Events(nn.Module):
    """Numbers, an item and a gap for each event of a user, whose first state is learned, behind batch norm."""

    def __init__(self, num_features, num_items, item_dim=3, hidden_dim=6):
        super().__init__()
        self.items, self.norm = nn.Embedding(num_items, item_dim), nn.BatchNorm1d(num_features)
        self.cell, self.score = nn.GRUCell(num_features + item_dim + 1, hidden_dim), nn.Linear(hidden_dim, 1)
        self.start = nn.Parameter(torch.randn(1, hidden_dim))

    def forward(self, features, item_ids, gaps, user_state=None):
        x = torch.cat([self.norm(features.transpose(1, 2)).transpose(1, 2), self.items(item_ids)], -1)
        x = torch.cat([x, torch.log1p(gaps.abs())[..., None]], -1)
        h, scores = self.begun(len(x), user_state), []
        for now in x.unbind(1):
            h = self.cell(now, h)
            scores.append(self.score(h).squeeze(-1))
        return self.joined(scores), h

    def begun(self, rows, user_state):
        return self.start.expand(rows, -1) if user_state is None else user_state

    def joined(self, scores):
        return torch.stack(scores, 1)


class EventsReshaped(Events):
    """Steps and rows are exchanged by a view."""

    def joined(self, scores):
        return torch.stack(scores).view(len(scores[0]), len(scores))


class EventsOfOneUser(Events):
    """All begin from the first user's state."""

    def begun(self, rows, user_state):
        return super().begun(rows, None if user_state is None else user_state[:1].expand(rows, -1))


class OnMemory(nn.Module):
    """Attention over what an encoder returned, with a mask of it."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.cell, self.key = nn.GRUCell(input_size + hidden_size, hidden_size), nn.Linear(hidden_size, hidden_size, bias=False)

    def masked(self, scores, mask):
        return scores.masked_fill(mask == 0, -1e9)

    def forward(self, x, memory, memory_mask):
        h, outputs = x.new_zeros(len(x), self.hidden_size), []
        for now in x.unbind(1):
            weights = torch.softmax(self.masked((self.key(memory) * h[:, None]).sum(-1), memory_mask), -1)
            h = self.cell(torch.cat([now, (weights[..., None] * memory).sum(1)], -1), h)
            outputs.append(h)
        return torch.stack(outputs, 1)


class OnMemoryOfOneMask(OnMemory):
    """The first sequence's mask stands for all."""

    def masked(self, scores, mask):
        return super().masked(scores, mask[:1])


class OnPaddedMemory(OnMemory):
    """The mask marks padding."""

    def masked(self, scores, mask):
        return scores.masked_fill(mask.bool(), -torch.inf)

    def forward(self, x, enc, pad_mask):
        return super().forward(x, enc, pad_mask)


class OnPaddedMemoryOfOneMask(OnPaddedMemory):
    """The first sequence's mask stands for all."""

    def masked(self, scores, mask):
        return super().masked(scores, mask[:1])


class OnMemoryTimeFirst(OnMemory):
    def forward(self, x, enc, enc_mask):
        return super().forward(x.transpose(0, 1), enc.transpose(0, 1), enc_mask.t()).transpose(0, 1)


class OnMemoryTimeFirstOfOneMask(OnMemoryTimeFirst):
    def masked(self, scores, mask):
        return super().masked(scores, mask[-1:])


class Between(nn.Module):
    """Between two observations the state follows an equation, for as long as the times say."""

    def __init__(self, input_dim, latent_dim):
        super().__init__()
        self.latent_dim, self.slope, self.cell = latent_dim, nn.Linear(latent_dim, latent_dim), nn.GRUCell(input_dim, latent_dim)

    def spans(self, times):
        return times.diff(dim=1, prepend=times[:, :1])

    def forward(self, x, times):
        h, outputs = x.new_zeros(len(x), self.latent_dim), []
        for now, span in zip(x.unbind(1), self.spans(times).unbind(1), strict=True):
            h = self.cell(now, h + span[:, None] * torch.tanh(self.slope(h)))
            outputs.append(h)
        return torch.stack(outputs, 1), h


class BetweenOnAverage(Between):
    """The spans of all sequences are averaged."""

    def spans(self, times):
        return super().spans(times).mean(0).expand_as(times)


class Enhancer(nn.Module):
    """(batch, frequencies, time) of 6 frequencies, which are no nodes."""

    def __init__(self, n_freq=6, hidden=5):
        super().__init__()
        self.norm, self.inward = nn.LayerNorm(n_freq), nn.Linear(n_freq, hidden)
        self.gru, self.outward = nn.GRU(hidden, hidden), nn.Linear(hidden, n_freq)

    def forward(self, spec, states=None):
        y, state = self.gru(torch.relu(self.inward(self.norm(spec.permute(2, 0, 1)))), None if states is None else states[0])
        return self.scaled(torch.sigmoid(self.outward(y)).permute(1, 2, 0) * spec, spec), [state]

    def scaled(self, output, spec):
        return output


class EnhancerOfTheWhole(Enhancer):
    """The output is divided by the mean over all steps."""

    def scaled(self, output, spec):
        return output / (1e-3 + spec.abs().mean(2, keepdim=True))


MEMORY = "(batch, time, features), no state comes back, beside it"
LAYERS = {
    Events: (
        "begins from start unless a state is given: judged with one, beside it item_ids; gaps",
        EventsReshaped,
        EventsOfOneUser,
    ),
    OnMemory: (f"{MEMORY} memory; memory_mask", OnMemoryOfOneMask),
    OnPaddedMemory: (f"{MEMORY} enc; pad_mask", OnPaddedMemoryOfOneMask),
    OnMemoryTimeFirst: ("(time, batch, features), no state comes back, beside it enc; enc_mask", OnMemoryTimeFirstOfOneMask),
    Between: ("(batch, time, features), state h, beside it times", BetweenOnAverage),
    Enhancer: ("(batch, features, time), state h", EnhancerOfTheWhole),
}
"""What a reading says of each right layer, among other things; and its mistakes."""
