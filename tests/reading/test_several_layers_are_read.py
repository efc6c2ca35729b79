"""What is read in one layer holds in several: the axes of a state stay what they are, whatever sizes are alike."""

import pytest
import torch
from torch import nn

from rnncheck.core.config import Config
from rnncheck.reading import behind_torchs_call
from rnncheck.reading.target import read_target


class MaskedGRU(nn.Module):
    """A GRU that is batch-first unless it is told otherwise, and takes a mask."""

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, batch_first: bool = True) -> None:
        super().__init__()
        self.gru = nn.GRU(input_size, hidden_size, num_layers, batch_first=batch_first)

    def forward(self, input, hx=None, mask=None):
        return self.gru(input, hx)


def made(config, dtype, device):
    return MaskedGRU(config.input_size, config.hidden_size, config.num_layers, config.batch_first).to(dtype)


@pytest.mark.parametrize(("layers", "hidden"), [(2, 5), (2, 1), (3, 5), (3, 3)])
@pytest.mark.parametrize("batch_first", [True, False])
def test_the_state_of_several_layers_is_found(layers, hidden, batch_first):
    reading = read_target(MaskedGRU)
    for size in (hidden, 4):  # what is seen first holds for other sizes
        config = Config("GRU", 2, size, num_layers=layers, batch_first=batch_first)
        layer = behind_torchs_call(made(config, torch.float32, None), reading, config, made)
        _, state = layer(torch.zeros((2, 6, 2) if batch_first else (6, 2, 2)))
        assert state.shape == (layers, 2, size)
