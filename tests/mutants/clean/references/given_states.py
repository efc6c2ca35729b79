"""An LSTM with a head, whose states are given and returned."""

import torch
from torch import nn

ROWS, STEPS, FEATURES, HIDDEN, LAYERS, CLASSES = 4, 40, 6, 9, 2, 5


class Model(nn.Module):
    """Scores after the last step, and both states."""

    def __init__(self, input_size, hidden_size, num_layers, classes):
        super().__init__()
        self.lstm = nn.LSTM(input_size, hidden_size, num_layers, batch_first=True)
        self.head = nn.Linear(hidden_size, classes)

    def forward(self, x, h0, c0):
        """x (rows, steps, features), states (layers, rows, hidden)."""
        output, state = self.lstm(x, (h0, c0))
        return {"scores": self.head(output[:, -1]), "state": state}


def get_inputs():
    """Uniform numbers."""
    return [torch.rand(ROWS, STEPS, FEATURES), *(torch.rand(LAYERS, ROWS, HIDDEN) for _ in range(2))]


def get_init_inputs():
    """Sizes."""
    return [FEATURES, HIDDEN, LAYERS, CLASSES]
