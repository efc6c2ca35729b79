"""A layer that returns its last output alone: each step is a call of all before it, so no case has very many steps."""

from functools import cache
from itertools import islice

import torch
from torch import nn

from rnncheck.catalog.numeric import long
from rnncheck.running.trial import Trial
from rnncheck.strategies.cliffs import LONGER
from rnncheck.strategies.plan import plan
from tests.adapters.support import claimed

DTYPES = ("float64", "float32")
AMONG = 120
"""Cases among which each size is on each axis."""


class Encoder(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell = nn.GRUCell(input_size, hidden_size)

    def forward(self, x):
        h = x.new_zeros(x.size(1), self.cell.hidden_size)
        for step in x:
            h = self.cell(step, h)
        return h


class WithOutputs(Encoder):
    def forward(self, x):
        h, outputs = x.new_zeros(x.size(1), self.cell.hidden_size), []
        for step in x:
            h = self.cell(step, h)
            outputs.append(h)
        return torch.stack(outputs)


@cache
def read(layer):
    return claimed(layer)


def planned(layer):
    return list(islice(plan(read(layer), DTYPES, 2, 0), AMONG))


def test_no_case_has_more_steps_than_a_few_chunks():
    assert max(case.time for case in planned(Encoder)) == LONGER - 2


def test_all_outputs_are_looked_at_in_long_sequences():
    assert max(case.time for case in planned(WithOutputs)) > LONGER


def test_long_sequences_of_a_property_are_short():
    times = {long(Trial(read(Encoder), case)).time for case in planned(Encoder)[:8]}
    assert times == {125}
