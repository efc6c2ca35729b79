"""A GRU as people write it by hand."""

import torch
from torch import nn
from torch.nn.functional import linear


class GRU(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.weight_ih_l0 = nn.Parameter(torch.randn(3 * hidden_size, input_size) / hidden_size**0.5)
        self.weight_hh_l0 = nn.Parameter(torch.randn(3 * hidden_size, hidden_size) / hidden_size**0.5)
        self.bias_ih_l0 = nn.Parameter(torch.zeros(3 * hidden_size))
        self.bias_hh_l0 = nn.Parameter(torch.zeros(3 * hidden_size))

    def step(self, x, h):
        x_r, x_z, x_n = linear(x, self.weight_ih_l0, self.bias_ih_l0).chunk(3, -1)
        h_r, h_z, h_n = linear(h, self.weight_hh_l0, self.bias_hh_l0).chunk(3, -1)
        r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
        n = torch.tanh(x_n + r * h_n)
        return (1 - z) * n + z * h

    def forward(self, input, hx=None):
        h_0 = input.new_zeros(input.shape[1], self.hidden_size) if hx is None else hx[0]
        h, outputs = h_0, []
        for x in input:
            h = self.step(x, h)
            outputs.append(h)
        return torch.stack(outputs), h[None]
