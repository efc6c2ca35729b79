"""Layers that hold one of torch's and return not all that it does: they are compared with torch's equations all the same."""

import pytest
from torch import nn

from tests.strangers.hunted import kill_of, subject_of


class OutputOf(nn.Module):
    """torch's LSTM of which the output alone comes back."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.inner = nn.LSTM(n_in, n_out)

    def forward(self, x):
        return self.inner(x)[0]


class OutputOfBoth(OutputOf):
    """The same in two directions."""

    def __init__(self, n_in, n_out):
        super().__init__(n_in, n_out)
        self.inner = nn.LSTM(n_in, n_out, bidirectional=True)


class Kept(OutputOf):
    """One that keeps its state from call to call."""

    def __init__(self, n_in, n_out):
        super().__init__(n_in, n_out)
        self.held = None

    def reset_state(self):
        self.held = None

    def forward(self, x):
        output, held = self.inner(x, self.held)
        self.held = tuple(part.detach() for part in held)
        return output


class OutputOfFew(OutputOf):
    """A mistake: large numbers are cut off, which no comparison of the layer with itself shows."""

    def forward(self, x):
        return super().forward(x.clamp(-3, 3))


class OutputOfBothFew(OutputOfBoth):
    def forward(self, x):
        return super().forward(x.clamp(-3, 3))


class KeptFew(Kept):
    def forward(self, x):
        return super().forward(x.clamp(-3, 3))


@pytest.mark.parametrize("layer", [OutputOf, OutputOfBoth, Kept])
def test_it_is_compared_with_the_equations(layer):
    subject = subject_of(layer)
    assert subject.modes == ("LSTM",) and subject.offers("equations") and subject.offers("load")
    assert subject.stateless and kill_of(subject) is None


@pytest.mark.parametrize("layer", [OutputOfFew, OutputOfBothFew, KeptFew])
def test_a_mistake_that_only_the_equations_show_is_red(layer):
    kill = kill_of(subject_of(layer), cases=30, by="agree.forward")
    assert kill is not None and kill.prop.id == "agree.forward"
