"""Lengths, or a mask, that change no result are told: no property says that they do what they should."""

import pytest
from torch import nn

from rnncheck.reading.target import read_target


class Heedless(nn.Module):
    """Behind the ends its outputs are what they are, and no state comes back."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.gru = nn.GRU(input_size, hidden_size)

    def forward(self, x, lengths=None):
        return self.gru(x)[0]


class HeedlessOfAMask(Heedless):
    def forward(self, x, mask=None):
        return self.gru(x)


class Masked(Heedless):
    def forward(self, x, mask=None):
        output = self.gru(x)[0]
        return output if mask is None else output * mask.unsqueeze(-1)


@pytest.mark.parametrize(("layer", "name"), [(Heedless, "lengths"), (HeedlessOfAMask, "mask")])
def test_what_changes_nothing_is_told(layer, name):
    assert f"argument {name}, which changes nothing" in read_target(layer).not_looked_at


def test_what_changes_something_is_not():
    assert not read_target(Masked).not_looked_at
