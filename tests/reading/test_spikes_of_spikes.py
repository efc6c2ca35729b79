"""A stack of spiking layers: a spike is 0 or 1 whatever comes in, so that a surrogate gradient tells what reads what."""

from functools import cache
from itertools import pairwise

import pytest
import torch
from torch import nn

from rnncheck.catalog import CATALOG
from tests.catalog.support import killed, outcomes
from tests.strangers.hunted import subject_of

LAYERS, CASES = (2, 3), 12


class Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx, membrane):
        ctx.save_for_backward(membrane)
        return (membrane > 0.3).to(membrane)

    @staticmethod
    def backward(ctx, gradient):
        (membrane,) = ctx.saved_tensors
        return gradient / (1 + 5 * (membrane - 0.3).abs()) ** 2


class Spiking(nn.Module):
    """It returns the spikes of its last layer, and beside them a little of its membrane."""

    def __init__(self, input_size, hidden_size, num_layers=2):
        super().__init__()
        sizes = [input_size] + [hidden_size] * num_layers
        self.reads = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(sizes))

    def forward(self, x, membranes=None):
        if membranes is None:
            membranes = x.new_zeros(len(self.reads), x.shape[1], self.reads[0].out_features)
        membranes, outputs = list(membranes.unbind(0)), []
        for step in x:
            spikes = step
            for number, read in enumerate(self.reads):
                membranes[number] = 0.9 * membranes[number] + read(self.below(spikes))
                spikes = Spike.apply(membranes[number])
                membranes[number] = membranes[number] - spikes.detach()
            outputs.append(spikes + 0.1 * membranes[-1])
        return torch.stack(outputs), torch.stack(membranes)

    def below(self, spikes):
        return spikes


class ReadsNothing(Spiking):
    """Each layer reads zeros in place of the layer below."""

    def below(self, spikes):
        return 0 * spikes.detach()


@cache
def read(layer):
    return subject_of(layer)


@pytest.mark.parametrize("id", ["state.used", "time.causal"])
def test_spikes_that_come_from_spikes_are_no_finding(id):
    subject = read(Spiking)
    assert subject.offers("layers")
    seen = [(case, outcome) for case, outcome in outcomes(CATALOG[id], subject, CASES) if case.config.num_layers in LAYERS]
    assert seen and all(outcome.status == "holds" for _, outcome in seen)


@pytest.mark.parametrize("id", ["state.used", "time.causal"])
def test_layers_that_read_nothing_are_red(id):
    assert killed(CATALOG[id], read(ReadsNothing), CASES) is not None
