"""A layer with a mistake is read as the right one is, so that the mistake is what is red."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from rnncheck.reading.adapter.adapted import HOW
from rnncheck.reading.calls.experiment import Sizes, Start, runner
from rnncheck.reading.target import read_target
from tests.strangers.hunted import kill_of, subject_of
from tests.strangers.table import STRANGERS

READ_AS_THE_RIGHT_ONE = (
    "ThreeInThreeOut1", "RecurrentEncoder1", "ByKeyword1", "CellFirstLSTM2",  # h and c come back in each other's place, or old
    "BiCellLSTM1", "BiCellLSTM2",  # directions are mixed, or turned once
    "ResidualLSTM1",  # what comes back is the input, which was written into
    "BufferedGRU1",  # a reset forgets nothing, so that a call of other sizes would be in the way of the next one
)  # fmt: skip
PAIRS = [(s, m) for s in STRANGERS for m in s.mistakes if m.layer.__name__ in READ_AS_THE_RIGHT_ONE]


@pytest.mark.parametrize(("stranger", "mistake"), PAIRS, ids=lambda one: getattr(one, "says", ""))
def test_a_mistake_leaves_the_reading_as_it_is(stranger, mistake):
    right, read = read_target(stranger.layer), read_target(mistake.layer)
    assert read.called == right.called
    assert (read.directions, read.parts, read.pair) == (right.directions, right.parts, right.pair)


def test_an_experiment_leaves_its_input_as_it_is():
    x, how = torch.rand(4, 3, 2), {**HOW, "given": [], "states": None}
    run = runner(lambda given: given.mul_(2.0), how, Start(), Sizes(2, 2))
    assert torch.equal(run(x)[0], 2 * x) and torch.equal(run(x)[0], 2 * x)


class TwoWays(nn.Module):
    """One cell reads from the beginning, the other from the end; both begin with zeros."""

    def __init__(self, n_in, n_hidden):
        super().__init__()
        self.n_hidden = n_hidden
        self.ahead, self.back = nn.GRUCell(n_in, n_hidden), nn.GRUCell(n_in, n_hidden)

    def forward(self, x):
        ahead = back = x.new_zeros(x.shape[1], self.n_hidden)
        forwards, backwards = [], []
        for step in x:
            ahead = self.ahead(step, ahead)
            forwards.append(ahead)
        for step in x.flip(0):
            back = self.back(step, self.last(ahead, back))
            backwards.insert(0, back)
        return torch.cat([torch.stack(forwards), torch.stack(backwards)], -1), torch.stack([ahead, back])

    def last(self, ahead, back):
        return back


class FromTheOtherDirection(TwoWays):
    def last(self, ahead, back):
        return ahead


class OneAfterTheOther(nn.Module):
    """The second layer reads from the end what the first one returned: no second direction of the input."""

    def __init__(self, n_in, n_hidden):
        super().__init__()
        self.first, self.second = nn.GRU(n_in, n_hidden), nn.GRU(n_hidden, n_hidden)

    def forward(self, x):
        y, h = self.first(x)
        z, g = self.second(y.flip(0))
        return torch.cat([y, z.flip(0)], -1), torch.cat([h, g])


def test_a_direction_that_reads_the_others_state_is_a_direction_still():
    assert "two directions" in read_target(TwoWays).words().split(", ")
    assert "two directions" in read_target(FromTheOtherDirection).words().split(", ")
    assert kill_of(subject_of(FromTheOtherDirection)).prop.id.startswith("direction.")
    assert kill_of(subject_of(TwoWays), cases=4) is None


def test_one_that_reads_what_the_other_returned_is_none():
    assert read_target(OneAfterTheOther).directions == 1


class Projected(nn.Module):
    """The recurrent part of the state is a projection, under a name that no state has."""

    def __init__(self, n_in, n_hidden):
        super().__init__()
        self.sizes = n_hidden, 2 * n_hidden
        self.x, self.r = nn.Linear(n_in, 8 * n_hidden), nn.Linear(n_hidden, 8 * n_hidden, bias=False)
        self.out = nn.Linear(2 * n_hidden, n_hidden, bias=False)

    def forward(self, x, r=None, c=None):
        r, c = (x.new_zeros(len(x), n) if part is None else part for part, n in zip((r, c), self.sizes, strict=True))
        outputs = []
        for t in range(x.shape[1]):
            i, f, g, o = (self.x(x[:, t]) + self.r(r)).chunk(4, -1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            r = self.out(o.sigmoid() * c.tanh())
            outputs.append(r)
        return torch.stack(outputs, 1), r, c


class WithASummary(nn.Module):
    """What comes back beside h is no state, and labels are not read."""

    def __init__(self, n_in, n_hidden):
        super().__init__()
        self.gru = nn.GRU(n_in, n_hidden)

    def forward(self, x, h=None, labels=None):
        y, h = self.gru(x, None if h is None else h[None])
        return y, h[0], y.mean(0)


def test_a_part_of_the_state_whose_name_says_nothing_goes_in_where_the_others_alone_carry_nothing_on():
    assert [name for name, _ in read_target(Projected).called["given"]] == ["r", "c"]
    assert kill_of(subject_of(Projected), cases=4) is None
    assert [name for name, _ in read_target(WithASummary).called["given"]] == ["h"]
    assert kill_of(subject_of(WithASummary), cases=4) is None


class Belief(NamedTuple):
    deter: Tensor
    stoch: Tensor


class WorldModel(nn.Module):
    """A named tuple, whose parts are read by their names; a method named after its beginning alone makes the first one."""

    def __init__(self, action_size, deter_size):
        super().__init__()
        self.inputs, self.prior = nn.Linear(action_size + deter_size, deter_size), nn.Linear(deter_size, deter_size)
        self.cell = nn.GRUCell(deter_size, deter_size)

    def initial(self, batch_size):
        return Belief(*self.prior.weight.new_zeros(2, batch_size, self.cell.hidden_size))

    def forward(self, actions, state):
        features = []
        for action in actions:
            deter = self.cell(torch.relu(self.inputs(torch.cat([state.stoch, action], -1))), state.deter)
            state = Belief(deter, torch.tanh(self.prior(deter)))
            features.append(deter)
        return torch.stack(features), state


def test_a_first_state_is_made_by_a_method_named_after_its_beginning():
    assert read_target(WorldModel).called["states"] == [[1, "deter"], [1, "stoch"]]
    assert kill_of(subject_of(WorldModel), cases=4) is None


class OfTwoWidths(nn.Module):
    """A part of the state is three numbers wide, whatever the sizes are; flags say where the state is forgotten."""

    def __init__(self, n_in, n_hidden):
        super().__init__()
        self.cell, self.summary = nn.GRUCell(n_in + 3, n_hidden), nn.Linear(n_hidden, 3)

    def forward(self, x, is_first, state=None):
        h, s = (x.new_zeros(len(x), n) for n in (self.cell.hidden_size, 3)) if state is None else (state["h"], state["s"])
        outputs = []
        for t in range(x.shape[1]):
            keep = 1 - is_first[:, t, None].to(x.dtype)
            h = self.cell(torch.cat([x[:, t], keep * s], -1), keep * h)
            s = torch.tanh(self.summary(h))
            outputs.append(h)
        return torch.stack(outputs, 1), {"h": h, "s": s}


class OfTwoWidthsOfTheBatch(OfTwoWidths):
    def forward(self, x, is_first, state=None):
        return super().forward(x, is_first.amax(0, keepdim=True).expand_as(is_first), state)


def test_what_carries_nothing_on_is_no_state_where_another_argument_is_called_one():
    subject = subject_of(OfTwoWidths)
    assert "argument state" in subject.unread
    assert [one.name for one in subject.further] == ["is_first"]
    kill = kill_of(subject, cases=4)
    assert kill is None, (kill.prop.id, kill.outcome)
    assert kill_of(subject_of(OfTwoWidthsOfTheBatch), cases=4).prop.id.startswith("argument.")
