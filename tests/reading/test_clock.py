"""A layer may count its steps; where its equations are asked for, the same is a mistake."""

import torch
from torch import nn

from rnncheck.reading.target import read_target
from tests.reading.hyperparameters import Clockwork
from tests.strangers.hunted import subject_of


class HalvesEverySecondStep(nn.Module):
    """A GRU whose state is half as large behind every second step of a call."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell = nn.GRUCell(input_size, hidden_size)

    def forward(self, x, h=None):
        h, outputs = x.new_zeros(x.shape[1], self.cell.hidden_size) if h is None else h[0], []
        for t, step in enumerate(x):
            h = self.cell(step, h) / (1 + t % 2)
            outputs.append(h)
        return torch.stack(outputs), h[None]


def test_what_no_verdict_speaks_of_is_told():
    assert "sequences in pieces: its steps are counted, by 4" in subject_of(Clockwork).not_looked_at


def test_no_steps_are_counted_in_what_is_to_agree_with_another_layer():
    assert "its steps are counted, by 2" in read_target(HalvesEverySecondStep).words()
    assert "counted" not in read_target(HalvesEverySecondStep, reference=("GRU",)).words()
