"""What torch gets wrong itself is still wrong, and no layer that uses it is blamed."""

import pytest
import torch
from torch import nn
from torch.func import jvp

import rnncheck
from rnncheck.backend.wrong_tangents import WRONG


@pytest.mark.parametrize("operator", WRONG, ids=WRONG.values())
def test_the_operator_is_still_wrong_in_this_torch(operator):
    x = torch.tensor([0.0, 30.0, 60.0], dtype=torch.float64)
    found = jvp(lambda x: operator(x, 0), (x,), (torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64),))[1]
    assert abs(found[0].item() - 1) > 0.1, "it is right now: take it out of WRONG"


class InLogSpace(nn.Module):
    """A minGRU whose steps are computed at once, in logarithms."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.gate, self.candidate = nn.Linear(input_size, hidden_size), nn.Linear(input_size, hidden_size)

    def forward(self, x):
        z = 40 * self.gate(x)
        kept = nn.functional.logsigmoid(-z).cumsum(0)
        new = nn.functional.logsigmoid(z) + nn.functional.softplus(self.candidate(x)).log()
        return (kept + (new - kept).logcumsumexp(0)).exp()


class OfItsOwn(torch.autograd.Function):
    """sin, whose forward mode takes the cosine for its negative."""

    @staticmethod
    def forward(x):
        return x.sin()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0].cos()

    @staticmethod
    def jvp(ctx, t):
        return -t * ctx.saved_tensors[0].cos()


class Summed(InLogSpace):
    """A layer whose own operator is wrong in forward mode."""

    def forward(self, x):
        return OfItsOwn.apply(self.gate(x).cumsum(0))


def of_forward_mode(layer):
    (subject,) = rnncheck.verify(layer, properties="gradient.forward_mode", engine="inline", max_examples=8).subjects
    (verdict,) = subject.verdicts
    return verdict.verdict, verdict.reason or ""


def test_a_layer_that_uses_it_is_not_blamed():
    verdict, reason = of_forward_mode(InLogSpace)
    assert verdict != "fails", reason


def test_a_layer_that_is_wrong_itself_is():
    assert of_forward_mode(Summed)[0] == "fails"
