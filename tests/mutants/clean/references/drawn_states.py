"""An LSTM with a head that draws its first states itself; only the last step is seen."""

import torch
from torch import nn


class Model(nn.Module):
    """Scores after the last step."""

    def __init__(self, input_size, hidden_size, num_layers, classes):
        super().__init__()
        self.shape = (num_layers, hidden_size)
        self.lstm = nn.LSTM(input_size, hidden_size, num_layers, batch_first=True)
        self.head = nn.Linear(hidden_size, classes)

    def forward(self, x):
        """x (rows, steps, features)."""
        layers, hidden = self.shape
        state = tuple(torch.randn(layers, len(x), hidden, device=x.device) for _ in range(2))
        output, _ = self.lstm(x, state)
        return self.head(output[:, -1])


def get_inputs():
    """Uniform numbers."""
    return [torch.rand(4, 40, 6)]


def get_init_inputs():
    """Sizes."""
    return [6, 9, 2, 5]
