"""What is read in one layer holds in several: the axes of a state stay what they are, whatever sizes are alike."""

import pytest
import torch
from torch import nn

from rnncheck.core.config import Config
from rnncheck.reading import behind_torchs_call
from rnncheck.reading.target import read_target
from tests.strangers.hunted import kill_of, subject_of


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


class PassesOn(nn.Module):
    """Whatever it is given goes to the layer inside, batch_first too."""

    def __init__(self, *args, **kwargs):
        super().__init__()
        self.inner = nn.GRU(*args, **kwargs)

    def forward(self, *args, **kwargs):
        return self.inner(*args, **kwargs)


@pytest.mark.parametrize("batch_first", [True, False])
def test_the_state_is_found_where_options_are_passed_on(batch_first):
    reading, config = read_target(PassesOn), Config("GRU", 2, 5, num_layers=2, bidirectional=True, batch_first=batch_first)

    def passed_on(config, dtype, device):
        options = {"batch_first": config.batch_first, "bidirectional": config.bidirectional, "num_layers": config.num_layers}
        return PassesOn(config.input_size, config.hidden_size, **options).to(dtype)

    layer = behind_torchs_call(passed_on(config, torch.float32, None), reading, config, passed_on)
    _, state = layer(torch.zeros((2, 6, 2) if batch_first else (6, 2, 2)))
    assert state.shape == (4, 2, 5)


class RowsFirstAtLast(nn.Module):
    """Its option says which axis of the input is the batch; the output's first one always is."""

    def __init__(self, input_size, hidden_size, batch_first=False):
        super().__init__()
        self.batch_first, self.gru = batch_first, nn.GRU(input_size, hidden_size, batch_first=True)

    def forward(self, x, h=None):
        return self.gru(x if self.batch_first else x.transpose(0, 1), h)


class RowsFirstAtLastAlone(RowsFirstAtLast):
    def forward(self, x):
        return super().forward(x)[0]


@pytest.mark.parametrize("layer", [RowsFirstAtLast, RowsFirstAtLastAlone])
def test_an_output_that_an_option_does_not_turn_is_found_with_either_axis_first(layer):
    assert "output (batch, time, features)" in read_target(layer).words()
    assert kill_of(subject_of(layer), cases=6) is None


class MaskedLSTM(nn.LSTM):
    """torch's LSTM with a mask beside the state."""

    def forward(self, input, hx=None, mask=None):
        return super().forward(input if mask is None else input * mask[..., None], hx)


def projected(config, dtype, device):
    return MaskedLSTM(config.input_size, config.hidden_size, proj_size=config.proj_size).to(dtype)


def test_a_state_that_is_projected_is_found_and_given_back():
    reading, config = read_target(MaskedLSTM), Config("LSTM", 2, 5, proj_size=3)
    module, x = projected(config, torch.float32, None), torch.randn(6, 2, 2)
    layer = behind_torchs_call(module, reading, config, projected)
    assert layer is not module
    output, state = layer(x)
    assert output.shape == (6, 2, 3) and [part.shape for part in state] == [(1, 2, 3), (1, 2, 5)]
    assert torch.equal(layer(x, state)[0], nn.LSTM.forward(module, x, state)[0])
