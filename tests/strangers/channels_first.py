"""(batch, features, time), as convolutions have it."""

import torch
from torch import nn


class SignalLSTM(nn.Module):
    def __init__(self, in_channels, hidden_channels):
        super().__init__()
        self.lstm = nn.LSTM(in_channels, hidden_channels, batch_first=True)

    def forward(self, x):
        y, _ = self.lstm(x.permute(0, 2, 1))
        return y.permute(0, 2, 1)


class SignalLSTM1(SignalLSTM):
    def forward(self, x):
        y, _ = self.lstm(x.reshape(x.size(0), x.size(2), x.size(1)))
        return y.permute(0, 2, 1)


class SignalLSTM2(SignalLSTM):
    def forward(self, x):
        y, _ = self.lstm((x / x.abs().amax(-1, keepdim=True).clamp(min=1e-8)).permute(0, 2, 1))
        return y.permute(0, 2, 1)


class SkipLSTM(nn.Module):
    """As in a neural audio codec: permute, LSTM, add, permute back."""

    def __init__(self, dimension: int, num_layers: int = 2, skip: bool = True):
        super().__init__()
        self.skip = skip
        self.lstm = nn.LSTM(dimension, dimension, num_layers)

    def forward(self, x):
        x = x.permute(2, 0, 1)
        y, _ = self.lstm(x)
        if self.skip:
            y = y + x
        return y.permute(1, 2, 0)


class SkipLSTM1(SkipLSTM):
    def forward(self, x):
        x = x.permute(0, 2, 1)
        y, _ = self.lstm(x)
        if self.skip:
            y = y + x
        return y.permute(0, 2, 1)


class SkipLSTM2(SkipLSTM):
    def forward(self, x):
        x = x.permute(2, 0, 1)
        y, _ = self.lstm(x)
        if self.skip:
            y = x.add_(y)
        return y.permute(1, 2, 0)


class ChannelGRU(nn.Module):
    def __init__(self, c_in, c_hid):
        super().__init__()
        self.conv_x = nn.Conv1d(c_in, 3 * c_hid, 1)
        self.lin_h = nn.Linear(c_hid, 3 * c_hid)

    def forward(self, x, h=None):
        gates_x = self.conv_x(x)
        if h is None:
            h = x.new_zeros(x.shape[0], self.lin_h.in_features)
        frames = []
        for gx in gates_x.unbind(-1):
            rx, zx, nx = gx.chunk(3, 1)
            rh, zh, nh = self.lin_h(h).chunk(3, 1)
            z = torch.sigmoid(zx + zh)
            h = (1 - z) * torch.tanh(nx + torch.sigmoid(rx + rh) * nh) + z * h
            frames.append(h)
        return torch.stack(frames, -1), h


class ChannelGRU1(ChannelGRU):
    def forward(self, x, h=None):
        gates_x = self.conv_x(x)
        if h is None:
            h = x.new_zeros(x.shape[0], self.lin_h.in_features)
        frames = []
        for gx in gates_x.unbind(-1):
            rx, zx, nx = gx.chunk(3, 1)
            rh, zh, nh = self.lin_h(h).chunk(3, 1)
            z = torch.sigmoid(zx + zh)
            h = (1 - z) * torch.tanh(nx + torch.sigmoid(rx + rh) * nh) + z * h
            frames.append(h)
        return torch.stack(frames, 1).reshape(h.shape[0], h.shape[1], -1), h


class ChannelGRU2(ChannelGRU):
    def forward(self, x, h=None):
        gates_x = self.conv_x(x)
        if h is None:
            h = x.new_zeros(x.shape[0], self.lin_h.in_features)
        frames = []
        for gx in gates_x.unbind(-1):
            rx, zx, nx = gx.chunk(3, 1)
            rh, zh, nh = self.lin_h(h).chunk(3, 1)
            z = torch.sigmoid(zx + zh)
            h = (1 - z) * torch.tanh(nx + torch.sigmoid(rx + zh) * nh) + z * h
            frames.append(h)
        return torch.stack(frames, -1), h
