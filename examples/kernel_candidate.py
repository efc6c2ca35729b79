"""A model that replaces examples/kernel_reference.py: the products with the input are made for all steps at once.

rnncheck verify examples/kernel_candidate.py:ModelNew --against examples/kernel_reference.py:Model
"""

import torch
from torch import nn
from torch.nn.functional import linear


class ModelNew(nn.Module):
    """The same parameters under the same names, and a loop over the steps."""

    def __init__(self, input_size, hidden_size, num_layers, classes):
        super().__init__()
        self.lstm = nn.LSTM(input_size, hidden_size, num_layers, batch_first=True)
        self.head = nn.Linear(hidden_size, classes)

    def forward(self, x):
        for layer in range(self.lstm.num_layers):
            x = self.one_layer(
                x, *(getattr(self.lstm, f"{name}_l{layer}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
            )
        return self.head(x[:, -1])

    def one_layer(self, x, weight_ih, weight_hh, bias_ih, bias_hh):
        h = c = x.new_zeros(len(x), weight_hh.shape[1])
        outputs = []
        for pre in linear(x, weight_ih, bias_ih + bias_hh).unbind(1):
            i, f, g, o = (pre + linear(h, weight_hh)).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            outputs.append(h)
        return torch.stack(outputs, 1)
