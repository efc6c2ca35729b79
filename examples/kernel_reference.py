"""A reference model in the form of benchmarks for kernels: class Model, get_inputs() and get_init_inputs()."""

import torch
from torch import nn


class Model(nn.Module):
    """Scores of a sequence: an LSTM and a linear layer on its last step."""

    def __init__(self, input_size, hidden_size, num_layers, classes):
        super().__init__()
        self.lstm = nn.LSTM(input_size, hidden_size, num_layers, batch_first=True)
        self.head = nn.Linear(hidden_size, classes)

    def forward(self, x):
        output, _ = self.lstm(x)
        return self.head(output[:, -1])


def get_inputs():
    """Sixteen sequences of 256 steps."""
    return [torch.rand(16, 256, 32)]


def get_init_inputs():
    """The arguments of Model's constructor."""
    return [32, 64, 2, 10]
