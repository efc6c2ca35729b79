"""The message says so where an output is as wide as that of two directions, but no part of it reads from the end."""

import pytest
import torch
from torch import nn

from rnncheck.catalog import CATALOG
from rnncheck.judging.explain import explain
from rnncheck.judging.one_direction import NOT_TURNED, one_direction
from rnncheck.running.trial import Trial
from tests.catalog.support import killed
from tests.strangers.hunted import subject_of


class RowsTurned(nn.Module):
    """The batch is flipped for the second direction, not the time."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.onward, self.back = (nn.GRU(input_size, hidden_size, batch_first=True) for _ in range(2))

    def forward(self, x):
        return torch.cat([self.onward(x)[0], self.back(x.flip(0))[0].flip(0)], 2)


class RowsTurnedWithStates(RowsTurned):
    def forward(self, x):
        (y, h), (back, g) = self.onward(x), self.back(x.flip(0))
        return torch.cat([y, back.flip(0)], 2), torch.cat([h, g.flip(1)])


class ThirdStep(RowsTurned):
    """What is too wide depends on later steps."""

    def forward(self, x):
        y = super().forward(x)
        return y + y[:, -1:, :1]


@pytest.mark.parametrize("layer", [RowsTurned, RowsTurnedWithStates])
def test_it_is_the_diagnosis(layer):
    subject = subject_of(layer)
    case, outcome = killed(CATALOG["shape.output"], subject)
    assert explain(CATALOG["shape.output"], Trial(subject, case), outcome).diagnosis == NOT_TURNED


def test_nothing_is_said_where_a_part_reads_from_the_end():
    subject = subject_of(RowsTurned)
    case, _ = killed(CATALOG["shape.output"], subject)
    other = subject_of(ThirdStep)
    assert not case.config.bidirectional and one_direction(Trial(other, case)) is None
