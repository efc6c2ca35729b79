"""An output that looks back over its call, beyond what the state carries: the reading says so, and the state is judged."""

import torch
from torch import nn

import rnncheck
from rnncheck.reading.target import read_target
from tests.strangers.containers import LookBackGRU
from tests.strangers.hunted import kill_of, subject_of


class Smoothed(nn.Module):
    """The mean of the hidden states so far in this call."""

    rnncheck_read = {"looks_back": True}

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.gru = nn.GRU(input_size, hidden_size)

    def forward(self, input, hx=None):
        hs, h = self.gru(input, hx)
        steps = torch.arange(1, len(input) + 1, dtype=hs.dtype, device=hs.device)
        return (hs.cumsum(0).movedim(0, -1) / steps).movedim(-1, 0), h


class Unsaid(Smoothed):
    rnncheck_read = {}


class OldState(LookBackGRU):
    def forward(self, x, h0=None):
        attended = super().forward(x, h0)
        before = attended.h if x.shape[1] < 2 else super().forward(x[:, :-1], h0).h
        return attended._replace(h=before)


class Forgetful(LookBackGRU):
    """From the second step on, the state that was given is gone."""

    def forward(self, x, h0=None):
        attended = super().forward(x, h0)
        return attended if x.shape[1] < 2 else attended._replace(h=super().forward(x[:, 1:]).h)


def test_weights_of_pairs_of_steps_tell_that_the_output_looks_back():
    assert "the output looks back over its call" in read_target(LookBackGRU).words()
    assert "looks_back = true" in read_target(LookBackGRU).as_text()


def test_such_a_layer_holds_and_its_state_is_judged():
    assert kill_of(subject_of(LookBackGRU), cases=4) is None
    for wrong in (OldState, Forgetful):
        kill = kill_of(subject_of(wrong), cases=4)
        assert kill is not None and kill.prop.id.startswith("time."), wrong


def test_what_nothing_tells_can_be_said():
    assert kill_of(subject_of(Smoothed), cases=4) is None
    assert kill_of(subject_of(Unsaid), cases=4).prop.id.startswith("time.")


class LooksAhead(nn.Module):
    """Behind the recurrence, each output sees two later steps (Amodei et al. 2015)."""

    rnncheck_read = {"looks_ahead": True}

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.gru, self.ahead = nn.GRU(input_size, hidden_size), nn.Conv1d(hidden_size, hidden_size, 3)

    def forward(self, x, h=None):
        y, h = self.gru(x, h)
        return self.ahead(nn.functional.pad(y.permute(1, 2, 0), (0, 2))).permute(2, 0, 1), h


class LooksAheadUnsaid(LooksAhead):
    rnncheck_read = {}


class LooksAheadFromZeros(LooksAhead):
    """The state that is given has no effect."""

    def forward(self, x, h=None):
        return super().forward(x, None if h is None else 0 * h)


def test_an_output_that_looks_ahead_is_red_unless_it_is_said():
    report = rnncheck.verify(LooksAheadUnsaid, properties="time.split,time.causal", engine="inline", max_examples=1)
    (cause,) = report.subjects[0].causes
    assert cause.headline == "an output depends on later steps, or not on its own (time.causal)"
    assert "looks_ahead = true" in read_target(LooksAhead, said={"looks_ahead": True}).as_text()
    assert kill_of(subject_of(LooksAhead), cases=4) is None
    assert kill_of(subject_of(LooksAheadFromZeros), cases=4).prop.id.startswith("time.")
