"""Layers whose features are channels of images, and their mistakes."""

import torch
from torch import nn


class FramesGRUCell(nn.Module):
    """A GRU cell with convolutions for its products: (batch, channels, height, width)."""

    def __init__(self, in_channels, hidden_channels, kernel_size=3):
        super().__init__()
        self.hidden_channels = hidden_channels
        self.gates = nn.Conv2d(in_channels + hidden_channels, 2 * hidden_channels, kernel_size, padding=kernel_size // 2)
        self.candidate = nn.Conv2d(in_channels + hidden_channels, hidden_channels, kernel_size, padding=kernel_size // 2)

    def begin(self, frame):
        return frame.new_zeros(frame.size(0), self.hidden_channels, *frame.shape[2:])

    def forward(self, frame, h=None):
        h = self.begin(frame) if h is None else h
        reset, update = torch.sigmoid(self.gates(torch.cat([frame, h], 1))).chunk(2, 1)
        candidate = torch.tanh(self.candidate(torch.cat([frame, reset * h], 1)))
        return (1 - update) * h + update * candidate


class FramesGRUCellAlwaysNew(FramesGRUCell):
    def forward(self, frame, h=None):
        return super().forward(frame, None if h is None else self.begin(frame))


class FramesGRUCellOfTheBatch(FramesGRUCell):
    def forward(self, frame, h=None):
        return super().forward(frame, None if h is None else h.mean(0, keepdim=True).expand_as(h))


class Video(nn.Module):
    """A ConvLSTM over (batch, time, channels, height, width), with the state that it ends in."""

    def __init__(self, channels, hidden):
        super().__init__()
        self.hidden = hidden
        self.conv = nn.Conv2d(channels + hidden, 4 * hidden, 3, padding=1)

    def step(self, frame, h, c):
        i, f, o, g = self.conv(torch.cat([frame, h], 1)).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    def forward(self, frames, state=None):
        zeros = frames.new_zeros(len(frames), self.hidden, *frames.shape[3:])
        h, c = (zeros, zeros) if state is None else state
        outputs = []
        for frame in frames.unbind(1):
            h, c = self.step(frame, h, c)
            outputs.append(h)
        return torch.stack(outputs, 1), (h, c)


class VideoOfTheNextRow(Video):
    def step(self, frame, h, c):
        return super().step(frame, h, c.roll(1, 0))


class VideoDetached(Video):
    def step(self, frame, h, c):
        return super().step(frame, h, c.detach())


class NextFrame(nn.Module):
    """Frames (batch, time, channels, height, width) to maps of one channel."""

    def __init__(self, channels, hidden):
        super().__init__()
        self.cell, self.read_out = FramesGRUCell(channels, hidden), nn.Conv2d(hidden, 1, 1)

    def forward(self, frames):
        h, maps = None, []
        for frame in frames.unbind(1):
            h = self.cell(frame, h)
            maps.append(self.read_out(h))
        return torch.stack(maps, 1)


class NextFrameWithTheLast(NextFrame):
    def forward(self, frames):
        return super().forward(frames + frames[:, -1:])


class NextFrameNormalised(NextFrame):
    def forward(self, frames):
        return super().forward(frames / frames.abs().amax(0, keepdim=True))


LAYERS = {
    FramesGRUCell: ("one step per call, state of 4 tensors or parts, each feature a channel of an image", FramesGRUCellAlwaysNew,
                    FramesGRUCellOfTheBatch),
    Video: ("(batch, time, features), state of 8 tensors or parts, each feature a channel of an image", VideoOfTheNextRow,
            VideoDetached),
    NextFrame: ("(batch, time, features), no state comes back, each feature a channel of an image", NextFrameWithTheLast,
                NextFrameNormalised),
}  # fmt: skip
"""What a reading says of each right layer, among other things; and its mistakes."""
