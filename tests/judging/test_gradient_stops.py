"""A gradient that stops is named by where it stops."""

import pytest
import torch
from torch import nn

from rnncheck.catalog import CATALOG
from rnncheck.judging.explain import explain
from rnncheck.judging.gradient_stops import START, STEPS, gradient_stops
from rnncheck.running.trial import Trial
from tests.adapters.support import claimed
from tests.catalog.support import killed, planned


class Leaky(nn.Module):
    """A recurrence of its own."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.inner = nn.Linear(input_size + hidden_size, hidden_size)

    def carried(self, h):
        return h

    def begun(self, h):
        return h

    def forward(self, x, h=None):
        h = x.new_zeros(x.shape[1], self.inner.out_features) if h is None else self.begun(h)
        outputs = []
        for step in x:
            h = 0.9 * self.carried(h) + torch.tanh(self.inner(torch.cat([step, self.carried(h)], -1)))
            outputs.append(h)
        return torch.stack(outputs), h


class CutBetweenSteps(Leaky):
    def carried(self, h):
        return h.detach()


class CutAtItsStart(Leaky):
    def begun(self, h):
        return h.detach()


class InNumpy(Leaky):
    def carried(self, h):
        return torch.from_numpy(h.detach().numpy())


@pytest.mark.parametrize(("layer", "said"), [(CutBetweenSteps, STEPS), (CutAtItsStart, START.format("state")), (InNumpy, STEPS)])
def test_where_a_gradient_stops_is_said(layer, said):
    subject = claimed(layer)
    case, outcome = killed(CATALOG["gradient.numerical"], subject, 6)
    assert explain(CATALOG["gradient.numerical"], Trial(subject, case), outcome).diagnosis == said


def test_nothing_is_said_where_gradients_flow():
    subject = claimed(Leaky)
    assert gradient_stops(Trial(subject, next(iter(planned(subject))))) is None
