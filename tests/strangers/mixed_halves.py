"""Two recurrences, one of which reads from the end, behind a layer that mixes both; and the same not turned back."""

import torch
from torch import nn


class MixedHalves(nn.Module):
    """Its outputs are turned back before they are mixed."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.onward, self.back = (nn.GRU(input_size, hidden_size, batch_first=True) for _ in range(2))
        self.mix = nn.Linear(2 * hidden_size, hidden_size)

    def turned(self, output):
        return output.flip(1)

    def forward(self, x):
        return self.mix(torch.cat([self.onward(x)[0], self.turned(self.back(x.flip(1))[0])], -1))


class LeftTurned(MixedHalves):
    """The second half stays in the order in which it was computed."""

    def turned(self, output):
        return output
