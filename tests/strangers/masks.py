"""Layers that take a mask of shape (batch, time)."""

import torch
import torch.nn as nn


class BoolMaskLSTM(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell = nn.LSTMCell(input_size, hidden_size)

    def forward(self, x, mask=None):
        """x: (batch, time, features); mask: (batch, time), True where there is something."""
        batch, time, _ = x.shape
        if mask is None:
            mask = x.new_ones(batch, time, dtype=torch.bool)
        h = x.new_zeros(batch, self.cell.hidden_size)
        c = torch.zeros_like(h)
        outputs = []
        for t in range(time):
            keep = mask[:, t].unsqueeze(-1)
            new_h, new_c = self.cell(x[:, t], (h, c))
            h, c = torch.where(keep, new_h, h), torch.where(keep, new_c, c)
            outputs.append(h.masked_fill(~keep, 0.0))
        return torch.stack(outputs, dim=1), (h, c)


class BoolMaskLSTM1(BoolMaskLSTM):
    def forward(self, x, mask=None):
        """x: (batch, time, features); mask: (batch, time), True where there is something."""
        batch, time, _ = x.shape
        if mask is None:
            mask = x.new_ones(batch, time, dtype=torch.bool)
        h = x.new_zeros(batch, self.cell.hidden_size)
        c = torch.zeros_like(h)
        outputs = []
        for t in range(time):
            keep = ~mask[:, t].unsqueeze(-1)
            new_h, new_c = self.cell(x[:, t], (h, c))
            h, c = torch.where(keep, new_h, h), torch.where(keep, new_c, c)
            outputs.append(h.masked_fill(~keep, 0.0))
        return torch.stack(outputs, dim=1), (h, c)


class BoolMaskLSTM2(BoolMaskLSTM):
    def forward(self, x, mask=None):
        """x: (batch, time, features); mask: (batch, time), True where there is something."""
        batch, time, _ = x.shape
        if mask is None:
            mask = x.new_ones(batch, time, dtype=torch.bool)
        h = x.new_zeros(batch, self.cell.hidden_size)
        c = torch.zeros_like(h)
        outputs = []
        for t in range(time):
            keep = mask[:, t].unsqueeze(-1)
            new_h, new_c = self.cell(x[:, t], (h, c))
            h, c = torch.where(keep, new_h, h), new_c
            outputs.append(h.masked_fill(~keep, 0.0))
        return torch.stack(outputs, dim=1), (h, c)


class FloatMaskGRU(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.ih = nn.Linear(input_size, 3 * hidden_size)
        self.hh = nn.Linear(hidden_size, 3 * hidden_size)

    def forward(self, x, masks, h0=None):
        h = h0 if h0 is not None else x.new_zeros(x.size(0), self.hh.in_features)
        out = []
        for t in range(x.size(1)):
            m = masks[:, t, None]
            r_x, z_x, n_x = self.ih(x[:, t]).chunk(3, 1)
            r_h, z_h, n_h = self.hh(h).chunk(3, 1)
            z = torch.sigmoid(z_x + z_h)
            n = torch.tanh(n_x + torch.sigmoid(r_x + r_h) * n_h)
            h = m * ((1 - z) * n + z * h) + (1 - m) * h
            out.append(h)
        return torch.stack(out, 1), h


class FloatMaskGRU1(FloatMaskGRU):
    def forward(self, x, masks, h0=None):
        h = h0 if h0 is not None else x.new_zeros(x.size(0), self.hh.in_features)
        out = []
        for t in range(x.size(1)):
            m = masks[:, t - 1, None]
            r_x, z_x, n_x = self.ih(x[:, t]).chunk(3, 1)
            r_h, z_h, n_h = self.hh(h).chunk(3, 1)
            z = torch.sigmoid(z_x + z_h)
            n = torch.tanh(n_x + torch.sigmoid(r_x + r_h) * n_h)
            h = m * ((1 - z) * n + z * h) + (1 - m) * h
            out.append(h)
        return torch.stack(out, 1), h


class FloatMaskGRU2(FloatMaskGRU):
    def forward(self, x, masks, h0=None):
        h = h0 if h0 is not None else x.new_zeros(x.size(0), self.hh.in_features)
        out = []
        for t in range(x.size(1)):
            r_x, z_x, n_x = self.ih(x[:, t]).chunk(3, 1)
            r_h, z_h, n_h = self.hh(h).chunk(3, 1)
            z = torch.sigmoid(z_x + z_h)
            n = torch.tanh(n_x + torch.sigmoid(r_x + r_h) * n_h)
            h = (1 - z) * n + z * h
            out.append(h)
        return torch.stack(out, 1), h


class EpisodeGRU(nn.Module):
    """Recurrent policy: the state begins anew where an episode does."""

    def __init__(self, obs_size, hidden_size):
        super().__init__()
        self.gru = nn.GRUCell(obs_size, hidden_size)

    def forward(self, obs, hxs, dones):
        """obs: (T, N, obs); hxs: (N, hidden); dones: (T, N), 1 where a new episode begins."""
        outputs = []
        for x, done in zip(obs, dones, strict=True):
            hxs = self.gru(x, hxs * (1.0 - done).unsqueeze(-1))
            outputs.append(hxs)
        return torch.stack(outputs, dim=0), hxs


class EpisodeGRU1(EpisodeGRU):
    def forward(self, obs, hxs, dones):
        """obs: (T, N, obs); hxs: (N, hidden); dones: (T, N), 1 where a new episode begins."""
        outputs = []
        for x, done in zip(obs, dones, strict=True):
            hxs = self.gru(x, hxs) * (1.0 - done).unsqueeze(-1)
            outputs.append(hxs)
        return torch.stack(outputs, dim=0), hxs


class EpisodeGRU2(EpisodeGRU):
    def forward(self, obs, hxs, dones):
        """obs: (T, N, obs); hxs: (N, hidden); dones: (T, N), 1 where a new episode begins."""
        outputs = []
        for x, done in zip(obs, dones, strict=True):
            hxs = self.gru(x, hxs * (1.0 - done.max()))
            outputs.append(hxs)
        return torch.stack(outputs, dim=0), hxs
