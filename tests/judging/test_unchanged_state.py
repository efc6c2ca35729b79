"""Where a part of the state stays as it was given, and so zero, that is why parameters have no gradient."""

import pytest
import torch
from torch import nn

from rnncheck.catalog import CATALOG
from rnncheck.judging.explain import explain
from rnncheck.judging.unchanged_state import unchanged_state
from rnncheck.running.trial import Trial
from tests.catalog.support import killed
from tests.strangers.hunted import subject_of


class Loop(nn.Module):
    """An LSTM's loop that forgets to carry one of its states on."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.inner = nn.Linear(input_size, 4 * hidden_size)
        self.own = nn.Linear(hidden_size, 4 * hidden_size, bias=False)

    def carried(self, before, now):
        return before[0], now[1]

    def forward(self, x, state=None):
        zeros = x.new_zeros(x.size(1), self.hidden_size)
        state, outputs = (zeros, zeros.clone()) if state is None else state, []
        for x_t in x:
            i, f, g, o = (self.inner(x_t) + self.own(state[0])).chunk(4, 1)
            c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
            outputs.append(torch.sigmoid(o) * torch.tanh(c))
            state = self.carried(state, (outputs[-1], c))
        return torch.stack(outputs), state


class WithoutC(Loop):
    def carried(self, before, now):
        return now[0], before[1]


class NeverUsed(Loop):
    """A parameter has no gradient for another reason."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.idle = nn.Parameter(torch.ones(hidden_size))


@pytest.mark.parametrize("layer, id, letter", [(Loop, "weights.trainable", "h"), (WithoutC, "weights.blocks", "c")])
def test_the_state_that_stays_is_the_diagnosis(layer, id, letter):
    subject = subject_of(layer)
    case, outcome = killed(CATALOG[id], subject)
    said = explain(CATALOG[id], Trial(subject, case), outcome).diagnosis
    assert said == f"no step reads the {letter} of the step before: each begins with the first one"


def test_what_has_no_gradient_with_another_state_either_has_another_cause():
    subject = subject_of(NeverUsed)
    case, _ = killed(CATALOG["weights.trainable"], subject)
    assert unchanged_state(Trial(subject, case)) is None
