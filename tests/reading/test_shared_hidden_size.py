"""An option for two directions with which both share the hidden size: each is judged with half of it."""

import torch
from torch import nn

from rnncheck.reading.target import read_target
from tests.strangers.hunted import kill_of, subject_of


class Shared(nn.Module):
    def __init__(self, input_size, hidden_size, bidirectional=False):
        super().__init__()
        if bidirectional and hidden_size % 2:
            raise RuntimeError("two directions share the hidden size, so it must be even")
        size = hidden_size // 2 if bidirectional else hidden_size
        self.directions = nn.ModuleList(nn.GRU(input_size, size) for _ in range(2 if bidirectional else 1))

    def forward(self, x):
        outputs = [direction(x.flip(0) if number else x)[0] for number, direction in enumerate(self.directions)]
        return torch.cat(self.turned(outputs), -1)

    def turned(self, outputs):
        return [outputs[0], *(output.flip(0) for output in outputs[1:])]


class NotTurnedBack(Shared):
    def turned(self, outputs):
        return outputs


class Added(Shared):
    """Each direction has all of the hidden size, and both come back in the same features."""

    def __init__(self, input_size, hidden_size, bidirectional=False):
        super().__init__(input_size, 2 * hidden_size if bidirectional else hidden_size, bidirectional)

    def turned(self, outputs):
        return [sum(super().turned(outputs))]


class Normed(nn.Module):
    """Each direction has all of the hidden size, and a norm is over both."""

    def __init__(self, input_size, hidden_size, bidirectional=False):
        super().__init__()
        self.gru = nn.GRU(input_size, hidden_size, bidirectional=bidirectional)
        self.norm = nn.LayerNorm(hidden_size * (1 + bidirectional))

    def forward(self, x):
        return self.norm(self.gru(x)[0])


def test_each_direction_is_judged_with_half_of_the_size():
    subject = subject_of(Shared)
    assert subject.offers("bidirectional") and read_target(Shared).arguments.halves == "of both"
    assert kill_of(subject) is None


def test_a_direction_that_is_not_turned_back_is_red():
    killed = kill_of(subject_of(NotTurnedBack))
    assert killed is not None and killed.case.config.bidirectional


def test_directions_that_are_added_share_no_size():
    assert read_target(Added).arguments is None and not subject_of(Added).offers("bidirectional")


def test_what_grows_with_both_directions_shares_no_size():
    assert read_target(Normed).arguments is None
