"""A layer that is to agree with torch's in two directions is read so by its sizes, whatever its second half reads."""

import pytest
import torch
from torch import nn

from tests.strangers.hunted import kill_of, subject_of


class TwoGRUs(nn.Module):
    """One reads from the beginning, one from the end."""

    turned = (1,)

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.fwd = nn.GRU(input_size, hidden_size, batch_first=True)
        self.bwd = nn.GRU(input_size, hidden_size, batch_first=True)

    def forward(self, x, hx=None):
        h_f, h_b = (None, None) if hx is None else hx.split(1)
        out_f, h_f = self.fwd(x, h_f)
        out_b, h_b = self.bwd(x.flip(self.turned), h_b)
        return torch.cat([out_f, out_b.flip(self.turned)], -1), torch.cat([h_f, h_b])


class TurnsTheBatch(TwoGRUs):
    turned = (0,)


class TurnsNothing(TwoGRUs):
    turned = ()


@pytest.mark.parametrize("mistake", [TurnsTheBatch, TurnsNothing])
def test_a_second_half_that_does_not_read_from_the_end_is_found(mistake):
    subject = subject_of(mistake, "torch.nn.GRU")
    assert "two directions" in subject.read_as or subject.nature["bidirectional"]
    assert kill_of(subject) is not None


def test_the_right_layer_is_clean():
    assert kill_of(subject_of(TwoGRUs, "torch.nn.GRU"), 4) is None
