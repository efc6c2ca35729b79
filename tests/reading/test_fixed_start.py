"""A layer that begins from fixed numbers, as a memory of some content, and not from zeros, is judged with a state."""

import torch
from torch import nn

from rnncheck.catalog import CATALOG
from rnncheck.catalog.state import ANOTHER
from rnncheck.reading.target import read_target
from tests.catalog.support import outcomes
from tests.strangers.hunted import kill_of, subject_of


class FromContent(nn.Module):
    """The second part of its state begins as a buffer that is drawn once."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell, self.out = nn.GRUCell(input_size, hidden_size), nn.Linear(2 * hidden_size, hidden_size)
        self.register_buffer("content", torch.randn(hidden_size))

    def forward(self, x, state=None):
        outputs = []
        h, memory = self.begun(x) if state is None else state
        for step in x:
            h, memory = self.step(step, h, memory)
            outputs.append(self.out(torch.cat([h, memory], -1)))
        return torch.stack(outputs), (h, memory)

    def begun(self, x):
        return x.new_zeros(x.shape[1], self.cell.hidden_size), self.content.to(x).expand(x.shape[1], -1)

    def step(self, x, h, memory):
        h = self.cell(x, h)
        return h, 0.9 * memory + 0.1 * torch.tanh(h)


class FromContentOfAll(FromContent):
    """What is written is that of all rows."""

    def step(self, x, h, memory):
        h, memory = super().step(x, h, memory)
        return h, memory - memory.mean(0)


class FromNumbers(FromContent):
    """Other numbers in each call."""

    def begun(self, x):
        return tuple(torch.randn_like(part) for part in super().begun(x))


class FromZeros(FromContent):
    """The buffer holds zeros, as a first state does."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.content.zero_()


def test_what_it_begins_from_is_told():
    assert "begins from content unless a state is given: judged with one" in read_target(FromContent).words()
    assert kill_of(subject_of(FromContent), cases=4) is None


def test_zeros_are_looked_at():
    assert "begins from" not in read_target(FromZeros).words() and subject_of(FromZeros).offers("hx_none")


def test_its_mistakes_are_red():
    assert all(kill_of(subject_of(wrong), cases=8) is not None for wrong in (FromContentOfAll, FromNumbers))


class FromOnes(nn.Module):
    """A leaky sum that begins from ones, which no buffer holds."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.into, self.kept = nn.Linear(input_size, hidden_size), nn.Parameter(torch.zeros(hidden_size))

    def forward(self, x, state=None):
        h = self.begun(x) if state is None else state
        outputs = []
        for step in x:
            h = self.after(h, step)
            outputs.append(h)
        return torch.stack(outputs), h

    def after(self, h, step):
        return self.kept.sigmoid() * h + torch.tanh(self.into(step))

    def begun(self, x):
        return x.new_ones(x.shape[1], len(self.kept))


class FromOnesOrLast(FromOnes):
    """Without a state it goes on from the call before, which it keeps where no experiment finds it."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.remembered = {}

    def forward(self, x, state=None):
        output, h = super().forward(x, state)
        self.remembered[h.shape] = h.detach().tolist()
        return output, h

    def begun(self, x):
        ones = super().begun(x)
        return ones.new_tensor(self.remembered.get(ones.shape, ones.tolist()))


def test_a_recurrence_of_its_own_may_begin_from_other_numbers():
    subject = subject_of(FromOnes)
    assert kill_of(subject, cases=6) is None
    told = [outcome.mismatches[0] for _, outcome in outcomes(CATALOG["state.default_is_zero"], subject, 4) if outcome.red]
    assert told and all(one.startswith(ANOTHER) for one in told)


def test_it_may_not_begin_from_what_a_call_left():
    found = [outcome for _, outcome in outcomes(CATALOG["state.default_is_zero"], subject_of(FromOnesOrLast), 4) if outcome.red]
    assert found and not any(outcome.mismatches[0].startswith(ANOTHER) for outcome in found)
