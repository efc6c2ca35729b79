"""Residual connections or dilations join the layers: torch's equations hold for one layer, and nothing is claimed of several."""

import pytest
import torch
from torch import nn

from rnncheck.core.config import Config
from rnncheck.reading import behind_torchs_call
from rnncheck.reading.target import read_target
from tests.effort import some
from tests.strangers.hunted import kill_of, subject_of


class Residual(nn.Module):
    """From the second layer on, each adds its input to its output."""

    end = True

    def __init__(self, input_size, hidden_size, num_layers=3):
        super().__init__()
        sizes = [input_size, *[hidden_size] * (num_layers - 1)]
        self.layers = nn.ModuleList(nn.LSTM(size, hidden_size) for size in sizes)

    def forward(self, x, hidden=None):
        states = []
        for k, (layer, h) in enumerate(zip(self.layers, hidden or [None] * len(self.layers), strict=True)):
            y, h = self.run(layer, x, h, k)
            x = y + x if k and (self.end or k + 1 < len(self.layers)) else y
            states.append(h)
        return x, states

    def run(self, layer, x, h, k):
        return layer(x, h)


class Between(Residual):
    end = False


class Plain(Residual):
    def forward(self, x, hidden=None):
        states = []
        for layer, h in zip(self.layers, hidden or [None] * len(self.layers), strict=True):
            x, h = layer(x, h)
            states.append(h)
        return x, states


class BottomAgain(Plain):
    """Each layer reads what the first one reads, if it fits."""

    def forward(self, x, hidden=None):
        bottom, states = None, []
        for layer, h in zip(self.layers, hidden or [None] * len(self.layers), strict=True):
            x, h = layer(x if bottom is None else bottom, h)
            bottom = x if bottom is None else bottom
            states.append(h)
        return x, states


class Swapped(Residual):
    """The first layer begins from the state of the last."""

    def forward(self, x, hidden=None):
        return super().forward(x, hidden and hidden[::-1])


class Forgets(Residual):
    """From the second layer on, the state that is given changes nothing."""

    def run(self, layer, x, h, k):
        return layer(x, h if k == 0 else None)


class Dilated(nn.Module):
    """The layers go on from the step before, from two steps before, from four (Chang et al. 2017)."""

    def __init__(self, input_size, hidden_size, num_layers=2):
        super().__init__()
        sizes = [input_size, *[hidden_size] * (num_layers - 1)]
        self.layers = nn.ModuleList(nn.GRU(size, hidden_size) for size in sizes)

    def forward(self, x):
        for k, layer in enumerate(self.layers):
            x = self.dilated(layer, x, 2**k)
        return x

    def dilated(self, layer, x, apart):
        steps, rows, _ = x.shape
        x = torch.cat([x, x.new_zeros(-steps % apart, *x.shape[1:])])
        y, _ = layer(x.reshape(-1, apart * rows, x.size(2)))
        return y.reshape(len(x), rows, -1)[:steps]


class DilatedByRows(Dilated):
    """A mistake: the rows are what is apart."""

    def dilated(self, layer, x, apart):
        return super().dilated(layer, x.flip(1) if apart > 1 else x, apart)


class OfItsOwn(nn.Module):
    """Independent units (Li et al. 2018): torch has no layer of such equations. No state goes in."""

    residual = True

    def __init__(self, input_size, hidden_size, num_layers=2):
        super().__init__()
        sizes = [input_size, *[hidden_size] * (num_layers - 1)]
        self.inputs = nn.ModuleList(nn.Linear(size, hidden_size) for size in sizes)
        self.own = nn.ParameterList(torch.rand(hidden_size) for _ in sizes)

    def forward(self, x):
        ends = []
        for k, (layer, u) in enumerate(zip(self.inputs, self.own, strict=True)):
            steps, h = [], torch.zeros_like(u)
            for a in layer(x):
                h = torch.relu(a + u * h)
                steps.append(h)
            x = torch.stack(steps) + (x if k and self.residual else 0)
            ends.append(self.end(steps))
        return x, torch.stack(ends)

    def end(self, steps):
        return steps[-1]


class OfItsOwnTheFirstStep(OfItsOwn):
    def end(self, steps):
        return steps[0]


class TopFirst(OfItsOwn):
    """A plain stack, whose final states are those of the last layer first."""

    residual = False

    def forward(self, x):
        x, ends = super().forward(x)
        return x, ends.flip(0)


def made(config, dtype, device):
    return Residual(config.input_size, config.hidden_size, config.num_layers).to(dtype)


@pytest.mark.parametrize("layer", some([Residual, Between], 2))
def test_residual_connections_are_seen_and_the_layer_holds(layer):
    subject = subject_of(layer)
    assert "residual connections" in subject.read_as
    assert subject.offers("load")
    kill = kill_of(subject)
    assert kill is None, (kill.prop.id, kill.outcome)


def test_dilations_are_seen_and_the_layer_holds():
    subject = subject_of(Dilated)
    assert "dilations join its layers" in subject.read_as
    kill = kill_of(subject)
    assert kill is None, (kill.prop.id, kill.outcome)


def test_what_joins_layers_with_equations_of_their_own_is_seen_at_their_final_states():
    subject = subject_of(OfItsOwn)
    assert "connections of its own join its layers" in subject.read_as
    kill = kill_of(subject, cases=6)
    assert kill is None, (kill.prop.id, kill.outcome)


@pytest.mark.parametrize("layer", [OfItsOwnTheFirstStep, TopFirst])
def test_their_final_states_are_last_outputs_where_they_can_be(layer):
    kill = kill_of(subject_of(layer), cases=6)
    assert kill is not None and kill.prop.id == "state.is_last_output"


@pytest.mark.parametrize("layer", [Swapped, Forgets, DilatedByRows])
def test_a_mistake_between_its_layers_is_red(layer):
    assert kill_of(subject_of(layer)) is not None


def test_a_plain_stack_is_judged_by_torchs_equations():
    assert "joined" not in subject_of(Plain).nature
    assert kill_of(subject_of(Plain), cases=4) is None
    assert kill_of(subject_of(BottomAgain)) is not None


def test_who_names_a_reference_is_held_to_it():
    assert kill_of(subject_of(Residual, "torch.nn.LSTM")) is not None


def test_h_and_c_of_several_layers_are_told_apart_as_in_one():
    config = Config("LSTM", 4, 6, num_layers=3)
    layer = behind_torchs_call(made(config, None, None), read_target(Residual), config, made)
    assert layer.how["order"] == [0, 2, 4, 1, 3, 5]
