"""Correct layers as people write them, which once ended a whole run."""

import pytest
import torch
from torch import nn

import rnncheck


class ScalarLeak(nn.Module):
    """A leaky RNN whose leak is a parameter without axes."""

    rnncheck_mode = "other"

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.w = nn.Linear(input_size, hidden_size)
        self.leak = nn.Parameter(torch.tensor(0.5))

    def forward(self, x, hx=None):
        h = x.new_zeros(x.shape[1], self.hidden_size) if hx is None else hx[0]
        outputs = []
        for x_t in x:
            h = self.leak * torch.tanh(self.w(x_t)) + (1 - self.leak) * h
            outputs.append(h)
        return torch.stack(outputs), h[None]


class DropoutAlone(ScalarLeak):
    """Takes dropout, but no num_layers."""

    def __init__(self, input_size, hidden_size, dropout=0.0):
        super().__init__(input_size, hidden_size)


class PassedOn(nn.GRU):
    """Hands all that it is given to a layer that does not take everything."""

    def __init__(self, input_size, hidden_size, **options):
        super().__init__(input_size, hidden_size, **{name: value for name, value in options.items() if name == "bias"})


@pytest.mark.parametrize("target", [ScalarLeak, DropoutAlone, PassedOn])
def test_they_are_judged_to_the_end(target):
    chosen = "shape.*,gradient.eval_is_train,gradient.reference"
    report = rnncheck.verify(target, properties=chosen, max_examples=12, engine="inline")
    assert report.checked and report.failures == []
