"""What is claimed of constructors that hand arguments on, take equal sizes alone, or take none."""

from itertools import islice

import pytest
import torch
from torch import nn

from rnncheck.errors import UsageError
from rnncheck.strategies.plan import plan
from tests.adapters.support import claimed
from tests.adapters.test_probe import offered


class Allocating(nn.GRU):
    """Its weights are made by torch.Tensor, which takes memory on the meta device too."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.weight_hh_l0 = nn.Parameter(torch.Tensor(3 * hidden_size, hidden_size))
        self.reset_parameters()


def test_what_would_allocate_production_sizes_is_not_built_on_meta():
    subject = claimed(Allocating, dear=True)
    assert not subject.offers("meta")
    assert "the constructor allocates weight_hh_l0 there" in subject.claims["meta"].why
    assert claimed(nn.GRU, dear=True).offers("meta")


class Leaky(nn.Module):
    """A recurrence of its own, one layer or several, whose constructor hands on what it does not know."""

    def __init__(self, input_size, hidden_size, num_layers=1, dropout=0.0, batch_first=False, **kwargs):
        super().__init__()
        self.batch_first = batch_first
        sizes = [input_size, *[hidden_size] * num_layers]
        self.cells = nn.ModuleList(LeakyCell(one, hidden_size, **kwargs) for one in sizes[:-1])

    def forward(self, x, hx=None):
        x = x.transpose(0, 1) if self.batch_first else x
        states = x.new_zeros(len(self.cells), x.shape[1], self.cells[0].rest.out_features) if hx is None else hx
        finals = []
        for cell, h in zip(self.cells, states, strict=True):
            outputs = []
            for step in x:
                h = cell(step, h)
                outputs.append(h)
            x = torch.stack(outputs)
            finals.append(h)
        return x.transpose(0, 1) if self.batch_first else x, torch.stack(finals)


class LeakyCell(nn.Module):
    def __init__(self, input_size, hidden_size, depth=1):
        super().__init__()
        self.first, self.depth = nn.Linear(input_size, hidden_size), depth
        self.rest, self.leak = nn.Linear(hidden_size, hidden_size), nn.Parameter(torch.rand(3, hidden_size))

    def forward(self, x, h):
        kept = self.leak.softmax(0)[0]
        for level in range(self.depth):
            h = kept * h + (1 - kept) * torch.tanh(self.rest(h) + (self.first(x) if level == 0 else 0))
        return h


def test_a_constructor_that_refuses_sizes_that_differ():
    class Gated(LeakyCell):
        def __init__(self, input_size, hidden_size):
            if input_size != hidden_size:
                raise ValueError(f"input_size = {input_size}, but should be hidden_size = {hidden_size}")
            super().__init__(input_size, hidden_size)

    gated = claimed(Gated, kind="cell")
    assert not {"sizes", "equations"} & offered(gated)
    assert all(case.config.input_size == case.config.hidden_size for case in islice(plan(gated, ("float32",), 2, 0), 5))
    assert {"sizes"} <= offered(claimed(LeakyCell, kind="cell"))


def test_an_argument_that_the_constructor_hands_on_to_what_refuses_it():
    leaky = claimed(Leaky)
    assert {"layers", "time_first", "training", "float64"} <= offered(leaky)


def test_a_depth_that_adds_no_states_is_no_number_of_layers():
    cell = claimed(LeakyCell, kind="cell")
    assert cell.claims["layers"].why == "depth = 2 leaves the state as it is, so it is no number of layers"
    assert "layers" in offered(claimed(DeepGRU))


class DeepGRU(nn.Module):
    """One whose layers are called depth."""

    def __init__(self, input_size, hidden_size, depth=1):
        super().__init__()
        self.inner = nn.GRU(input_size, hidden_size, depth)

    def forward(self, x, hx=None):
        return self.inner(x, hx)


class Neuron(nn.Module):
    """It works on each number by itself, of however many features."""

    def __init__(self, leak=0.9, reset=False):
        super().__init__()
        self.leak = leak

    def forward(self, x, mem=None):
        mem = x if mem is None else self.leak * mem + x
        return (mem > 1).float(), mem


class OpenNeuron(Neuron):
    """The same, whose constructor takes whatever it is given, and which must be given a state."""

    def __init__(self, leak=0.9, *args, **kwargs):
        super().__init__(leak)

    def forward(self, x, mem=None):
        spikes, mem = super().forward(x, mem[0] + 0)
        return spikes, (mem, mem)


@pytest.mark.parametrize("neuron", [Neuron, OpenNeuron])
def test_what_takes_no_sizes_is_refused_with_code_to_fill_in(neuron):
    with pytest.raises(UsageError, match="its constructor takes no sizes; name a factory") as error:
        claimed(neuron)
    assert "\n        self.layer = " in str(error.value)
