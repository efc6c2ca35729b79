"""A state that is wrong between two calls of a recurrence of its own is named where one change explains it."""

import pytest
import torch
from torch import nn

from rnncheck.catalog import CATALOG
from rnncheck.judging.between_calls import between_calls
from rnncheck.judging.explain import explain
from rnncheck.running.trial import Trial
from tests.adapters.test_probe import claimed
from tests.catalog.support import killed, planned
from tests.effort import some


class Pairs(nn.Module):
    """A stack of leaky recurrences with two states each."""

    def __init__(self, input_size, hidden_size, num_layers=1):
        super().__init__()
        sizes = [input_size + hidden_size, *[2 * hidden_size] * (num_layers - 1)]
        self.inner, self.hidden_size = nn.ModuleList(nn.Linear(size, hidden_size) for size in sizes), hidden_size

    def taken(self, state):
        return state

    def reads(self, x, below):
        return below

    def returned(self, now, before, given):
        return now

    def before(self, now, given):
        return now

    def forward(self, x, state=None):
        zeros = x.new_zeros(len(self.inner), x.shape[1], self.hidden_size)
        given = (zeros, zeros.clone()) if state is None else state
        before = now = self.taken(given)
        outputs = []
        for x_t in x:
            step, before, parts = x_t, now, []
            for inner, h, c in zip(self.inner, *self.before(now, given), strict=True):
                c = 0.9 * c + torch.tanh(inner(torch.cat([self.reads(x_t, step), h], -1)))
                step = torch.tanh(0.5 * c + h)
                parts.append((step, c))
            now = tuple(map(torch.stack, zip(*parts, strict=True)))
            outputs.append(step)
        return torch.stack(outputs), self.returned(now, before, given)


class Exchanged(Pairs):
    def returned(self, now, before, given):
        return now[::-1]


class Upside(Pairs):
    def returned(self, now, before, given):
        return tuple(part.flip(0) for part in now)


class AsGiven(Pairs):
    def returned(self, now, before, given):
        return given


class AsZeros(Pairs):
    def returned(self, now, before, given):
        return tuple(map(torch.zeros_like, now))


class AsZerosOfAnotherDtype(Pairs):
    def returned(self, now, before, given):
        return tuple(torch.zeros(part.shape) for part in now)


class EachFromTheFirstH(Pairs):
    def before(self, now, given):
        return given[0], now[1]


class CAsZeros(Pairs):
    def returned(self, now, before, given):
        return now[0], torch.zeros_like(now[1])


class HAsZeros(Pairs):
    def returned(self, now, before, given):
        return torch.zeros_like(now[0]), now[1]


class SideBySide(Pairs):
    """Each layer reads the first features of the input."""

    def reads(self, x, below):
        return below if below is x else nn.functional.pad(x, (0, self.hidden_size - x.shape[-1]))


class Late(Pairs):
    def returned(self, now, before, given):
        return before


class WithoutC(Pairs):
    def taken(self, state):
        return state[0], torch.zeros_like(state[1])


class Without(Pairs):
    def taken(self, state):
        return tuple(map(torch.zeros_like, state))


class FromTheFirst(Pairs):
    def taken(self, state):
        return tuple(part[:1].expand_as(part) for part in state)


class FirstRowForAll(Pairs):
    def taken(self, state):
        return tuple(part[:, :1].expand_as(part) for part in state)


class RowsExchanged(Pairs):
    """Each row begins with the state of its neighbour."""

    def taken(self, state):
        return tuple(part.roll(1, 1) for part in state)


class TwiceWrong(Pairs):
    def returned(self, now, before, given):
        return tuple(part.flip(0) for part in before)


SAID = {
    Exchanged: "h and c come back in each other's place",
    Upside: "the states of the layers come back in reverse order",
    AsGiven: "the state comes back as it was given",
    AsZeros: "the state comes back as zeros",
    AsZerosOfAnotherDtype: "the state comes back as zeros",
    EachFromTheFirstH: "no step reads the h of the step before: each begins with the first one",
    CAsZeros: "c comes back as zeros",
    HAsZeros: "h comes back as zeros",
    SideBySide: "the last layer does not read the layer below",
    Late: "the state that comes back is that of the step before the last",
    WithoutC: "the initial c is ignored",
    Without: "the initial state is ignored",
    FromTheFirst: "the initial states of the layers above the first are ignored",
}


def said_of(layer):
    """What is said on cases of several layers."""
    subject = claimed(layer)
    cases = [case for case in planned(subject, within=30) if case.config.num_layers > 1][:2]
    assert cases
    return {between_calls(Trial(subject, case)) for case in cases}


@pytest.mark.parametrize("layer", some(SAID, 2))
def test_one_change_that_explains_it_is_said(layer):
    assert said_of(layer) == {SAID[layer]}


@pytest.mark.parametrize("layer", [Pairs, TwiceWrong])
def test_of_a_right_layer_and_of_two_mistakes_nothing_is_said(layer):
    assert said_of(layer) == {None}


def test_it_is_the_diagnosis_of_the_failure():
    subject = claimed(Exchanged)
    case, outcome = killed(CATALOG["time.split"], subject)
    assert explain(CATALOG["time.split"], Trial(subject, case), outcome).diagnosis == SAID[Exchanged]


def test_layers_side_by_side_are_no_stack():
    _, outcome = killed(CATALOG["state.used"], claimed(SideBySide))
    assert "below the last, moves the output" in outcome.mismatches[0]


@pytest.mark.parametrize(
    "layer, said", [(FirstRowForAll, "every row starts from the first row's initial state"), (RowsExchanged, None)]
)
def test_rows_that_begin_with_the_state_of_the_first_are_told(layer, said):
    subject = claimed(layer)
    case, outcome = killed(CATALOG["batch.alone"], subject)
    assert explain(CATALOG["batch.alone"], Trial(subject, case), outcome).diagnosis == said
