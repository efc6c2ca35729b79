"""An LSTM as people write it by hand."""

import torch
from torch import nn
from torch.nn.functional import linear


class LSTM(nn.Module):
    def __init__(self, input_size, hidden_size, batch_first=False):
        super().__init__()
        self.hidden_size = hidden_size
        self.batch_first = batch_first
        self.weight_ih_l0 = nn.Parameter(torch.randn(4 * hidden_size, input_size) / hidden_size**0.5)
        self.weight_hh_l0 = nn.Parameter(torch.randn(4 * hidden_size, hidden_size) / hidden_size**0.5)
        self.bias_ih_l0 = nn.Parameter(torch.zeros(4 * hidden_size))
        self.bias_hh_l0 = nn.Parameter(torch.zeros(4 * hidden_size))

    def forward(self, input, hx=None):
        steps = input.transpose(0, 1) if self.batch_first else input
        zeros = input.new_zeros(steps.shape[1], self.hidden_size)
        h, c = (zeros, zeros) if hx is None else (hx[0][0], hx[1][0])
        outputs = []
        for x in steps:
            gates = linear(x, self.weight_ih_l0, self.bias_ih_l0) + linear(h, self.weight_hh_l0, self.bias_hh_l0)
            i, f, g, o = gates.chunk(4, -1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            outputs.append(h)
        output = torch.stack(outputs)
        return output.transpose(0, 1) if self.batch_first else output, (h[None], c[None])
