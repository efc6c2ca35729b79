"""What is wrong with lengths in a recurrence of its own is named where one change explains it, and it is right without them."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from rnncheck.catalog import CATALOG
from rnncheck.judging import of_lengths as said
from rnncheck.judging.explain import explain
from rnncheck.judging.of_lengths import of_lengths
from rnncheck.running.trial import Trial
from tests.catalog.support import killed, planned
from tests.effort import some
from tests.strangers.hunted import subject_of


class Leaky(nn.Module):
    """A leaky recurrence that stands still behind each sequence's end."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.inner = nn.Linear(input_size + hidden_size, hidden_size)

    def goes_on(self, t, lengths):
        return t < lengths

    def held(self, h):
        return h

    def returned(self, outputs, h, lengths):
        return h

    def forward(self, x, lengths=None):
        lengths = torch.full((x.size(0),), x.size(1)) if lengths is None else lengths
        h, outputs = x.new_zeros(x.size(0), self.inner.out_features), []
        for t in range(x.size(1)):
            new = 0.5 * h + torch.tanh(self.inner(torch.cat([x[:, t], h], -1)))
            h = torch.where(self.goes_on(t, lengths)[:, None], new, self.held(h))
            outputs.append(h * (t < lengths)[:, None])
        return torch.stack(outputs, 1), self.returned(outputs, h, lengths)


class NeverStill(Leaky):
    def goes_on(self, t, lengths):
        return t < lengths.new_full(lengths.shape, 1000)


class OneMore(Leaky):
    def goes_on(self, t, lengths):
        return t <= lengths


class OneFewer(Leaky):
    def goes_on(self, t, lengths):
        return t + (lengths < lengths.max()).long() < lengths


class FirstForAll(Leaky):
    def goes_on(self, t, lengths):
        return t < lengths[:1].expand_as(lengths)


class Lost(Leaky):
    def held(self, h):
        return torch.zeros_like(h)


class TurnedRound(Leaky):
    def goes_on(self, t, lengths):
        return (t >= lengths) | (lengths == lengths.min()) & (lengths == lengths.max())


class SortedStates(Leaky):
    def returned(self, outputs, h, lengths):
        return h[lengths.argsort(descending=True)]


class Sorted(nn.Module):
    """What comes back of the packed sequences stays in the order in which they were packed."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.rnn = nn.GRU(input_size, hidden_size, batch_first=True)
        self.back = nn.GRU(input_size, hidden_size, batch_first=True)
        self.out = nn.Linear(hidden_size, 3)

    def forward(self, x, lengths):
        order = lengths.argsort(descending=True)
        y, h = self.rnn(pack_padded_sequence(x[order], lengths[order], batch_first=True))
        y, _ = pad_packed_sequence(y, batch_first=True, total_length=x.size(1))
        return self.answer(x, y, h[0], order, lengths)

    def answer(self, x, y, h, order, lengths):
        return y, h


class SortedOutputs(Sorted):
    def answer(self, x, y, h, order, lengths):
        return y, h[order.argsort()]


class SortedAnswers(Sorted):
    """The last output alone comes back."""

    def answer(self, x, y, h, order, lengths):
        return self.out(h)


class LastOfAll(Sorted):
    def answer(self, x, y, h, order, lengths):
        return self.out(self.rnn(x)[0][:, -1])


class BothWays(Sorted):
    """Two directions, the second one turned within each sequence's own length."""

    def answer(self, x, y, h, order, lengths):
        y = y[order.argsort()]
        return torch.cat([y, self.from_the_end(x, lengths)], -1) * (torch.arange(x.size(1)) < lengths[:, None])[..., None]

    def from_the_end(self, x, lengths):
        return within(self.back(within(x, lengths))[0], lengths)


class BothFromThePadding(BothWays):
    def from_the_end(self, x, lengths):
        return self.back(x.flip(1))[0].flip(1)


class BackWithThePadding(BothWays):
    def from_the_end(self, x, lengths):
        return self.back(within(x, lengths))[0].flip(1)


def within(x, lengths):
    """Each sequence turned round within its own length."""
    t = torch.arange(x.size(1))
    at = torch.where(t < lengths[:, None], lengths[:, None] - 1 - t, t)
    return x.gather(1, at[..., None].expand_as(x))


SAID = {
    NeverStill: said.LAST,
    BothFromThePadding: said.FROM_THE_PADDING,
    SortedAnswers: said.SORTED.format("results"),
    OneMore: said.LATE,
    FirstForAll: said.FIRST,
    BackWithThePadding: said.NOT_WITHIN,
    OneFewer: said.EARLY,
    SortedStates: said.SORTED.format("final states"),
    LastOfAll: said.DATA,
    Lost: said.LOST,
    SortedOutputs: said.SORTED.format("outputs"),
    TurnedRound: said.TURNED,
    Sorted: said.SORTED.format("results"),
}


def said_of(layer):
    subject = subject_of(layer)
    cases = [case for case in planned(subject, within=30) if case.lengths is not None and (case.batch or 0) > 1][:2]
    assert cases
    return {of_lengths(Trial(subject, case)) for case in cases}


@pytest.mark.parametrize("layer", some(SAID, 3))
def test_one_change_that_explains_it_is_said(layer):
    assert said_of(layer) == {SAID[layer]}


@pytest.mark.parametrize("layer", some([Leaky, BothWays], 2))
def test_of_a_right_layer_nothing_is_said(layer):
    assert said_of(layer) == {None}


class MixedRows(NeverStill):
    """Rows are mixed whether or not lengths are given."""

    def held(self, h):
        return h.roll(1, 0)

    def forward(self, x, lengths=None):
        return super().forward(x + x.mean(0, keepdim=True), lengths)


def test_what_is_wrong_without_lengths_too_is_none_of_their_making():
    assert said_of(MixedRows) == {None}


def test_it_is_the_diagnosis_of_the_failure():
    subject = subject_of(OneMore)
    case, outcome = killed(CATALOG["lengths.each_alone"], subject)
    assert explain(CATALOG["lengths.each_alone"], Trial(subject, case), outcome).diagnosis == said.LATE


class KnownSorted(nn.Module):
    """The equations are torch's; the states are brought back into the order of the sequences, and the outputs are not."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.rnn = nn.GRU(input_size, hidden_size, batch_first=True)

    def forward(self, x, lengths):
        order = lengths.argsort(descending=True)
        y, h = self.rnn(pack_padded_sequence(x[order], lengths[order], batch_first=True))
        return pad_packed_sequence(y, batch_first=True, total_length=x.size(1))[0], h[:, order.argsort()]


class KnownLoop(nn.Module):
    """A GRU that stands still behind each sequence's end."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell = nn.GRUCell(input_size, hidden_size)

    def goes_on(self, t, lengths):
        return t < lengths

    def forward(self, x, lengths):
        h, outputs = x.new_zeros(x.size(0), self.cell.hidden_size), []
        for t in range(x.size(1)):
            inside = self.goes_on(t, lengths)[:, None]
            h = torch.where(inside, self.cell(x[:, t], h), h)
            outputs.append(h * inside)
        return torch.stack(outputs, 1), h


class KnownFirstForAll(KnownLoop):
    def goes_on(self, t, lengths):
        return t < lengths[:1].expand_as(lengths)


class KnownOneMore(KnownLoop):
    def goes_on(self, t, lengths):
        return t <= lengths


KNOWN = {
    KnownSorted: "outputs are left in the order of the sorted sequences",
    KnownFirstForAll: "all sequences end where the first one does",
    KnownOneMore: "each sequence ends one step too late",
}


@pytest.mark.parametrize("layer", KNOWN)
def test_the_same_is_known_where_the_equations_are(layer):
    subject = subject_of(layer)
    case, outcome = killed(CATALOG["lengths.each_alone"], subject)
    told = explain(CATALOG["lengths.each_alone"], Trial(subject, case), outcome)
    assert told.diagnosis == f"agrees with torch.nn.GRU if {KNOWN[layer]}"
