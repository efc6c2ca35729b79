"""An output whose number of features is the same whatever the state's size is."""

import pytest
from torch import nn

from rnncheck.reading.target import read_target
from tests.strangers.hunted import kill_of, subject_of


def of_classes(number, **options):
    """A GRU with a read-out of this number of classes."""

    class OfClasses(nn.Module):
        def __init__(self, input_size, hidden_size):
            super().__init__()
            self.rnn = nn.GRU(input_size, hidden_size, batch_first=True, **options)
            self.classes = nn.Linear(hidden_size * (1 + self.rnn.bidirectional), number)

        def forward(self, x, h=None):
            output, h = self.rnn(x, h)
            return self.classes(output), h

    return OfClasses


@pytest.mark.parametrize("number", [7, 14])
def test_as_many_classes_as_the_state_of_an_experiment_has_features(number):
    """Red in shape.output, in sizes other than those of the experiments."""
    layer = of_classes(number)
    assert read_target(layer).called["features"] == number
    assert kill_of(subject_of(layer), cases=4) is None


def test_as_many_classes_as_two_directions_have_features():
    assert kill_of(subject_of(of_classes(14, bidirectional=True)), cases=4) is None


def test_an_output_that_grows_with_the_state_is_as_wide_as_it():
    class Plain(nn.Module):
        def __init__(self, input_size, hidden_size):
            super().__init__()
            self.rnn = nn.GRU(input_size, hidden_size)

        def forward(self, x):
            return self.rnn(x)[0]

    assert read_target(Plain).called["features"] is None
