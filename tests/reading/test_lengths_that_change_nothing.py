"""Lengths, or a mask, that change no result are told: no property says that they do what they should."""

import pytest
from torch import nn

from rnncheck.reading.target import read_target
from tests.effort import only_nightly
from tests.strangers.hunted import kill_of, subject_of


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


class PassedOn(nn.Module):
    """What comes behind it needs the lengths; it reads forwards, so that its outputs do not."""

    def __init__(self, input_dim, hidden_dim):
        super().__init__()
        self.lstm, self.norm = nn.LSTM(input_dim, hidden_dim, batch_first=True), nn.LayerNorm(hidden_dim)

    def forward(self, x, lengths, state=None):
        outputs, state = self.lstm(x, state)
        return self.norm(outputs), lengths, state


class PassedOnForgetting(PassedOn):
    def forward(self, x, lengths, state=None):
        return super().forward(x, lengths)


class PassedOnBothWays(PassedOn):
    """In reverse it begins with the padding."""

    def __init__(self, input_dim, hidden_dim):
        super().__init__(input_dim, hidden_dim)
        self.lstm = nn.LSTM(input_dim, hidden_dim, batch_first=True, bidirectional=True)
        self.norm = nn.LayerNorm(2 * hidden_dim)


class PassedOnWithTheLast(PassedOn):
    """The last step of some sequences is padding."""

    def forward(self, x, lengths):
        outputs, _ = self.lstm(x)
        return self.norm(outputs[:, -1]), lengths


def test_lengths_that_are_passed_on_are_not_claimed():
    subject = subject_of(PassedOn)
    assert not subject.offers("lengths") and "argument lengths, which changes nothing" in subject.not_looked_at
    assert kill_of(subject, cases=2) is None


@only_nightly
def test_a_state_that_is_forgotten_beside_such_lengths_is_red():
    assert kill_of(subject_of(PassedOnForgetting), cases=2, by="time.step_by_step") is not None


@pytest.mark.parametrize(("layer", "by"), [(PassedOnBothWays, "lengths.padding_ignored"), (PassedOnWithTheLast, "lengths.full")])
def test_lengths_that_are_needed_are_claimed_though_they_are_passed_on(layer, by):
    subject = subject_of(layer)
    assert subject.offers("lengths") and kill_of(subject, cases=8, by=by) is not None
