"""The noise that is measured on the subject itself."""

import torch
from torch import Tensor, nn

from rnncheck.case import Case
from rnncheck.config import Config
from rnncheck.noise import noise_budget
from rnncheck.random_rounding import RandomRounding
from rnncheck.trial import Trial
from tests.adapters.test_probe import claimed


class LogOfTheFirst(nn.Module):
    """An Elman network whose first feature is the logarithm of a negative number."""

    rnncheck_mode = "other"

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        self.layer = nn.RNN(input_size, hidden_size)

    def forward(self, x: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        output, h = self.layer(x, h)
        output = torch.cat([(output[..., :1] - 2).log(), output[..., 1:]], -1)
        return output, output[-1:]


def test_of_what_is_not_finite_nothing_is_said_and_of_the_rest_as_before():
    found = noise_budget(Trial(claimed(LogOfTheFirst), Case(Config("RNN_RELU", 3, 5), 4, 2)))
    assert bool(found.allowed.output[..., 0].isinf().all())
    assert bool((found.allowed.output[..., 1:] < 1e-4).all()) and bool((found.allowed.output[..., 1:] > 0).all())


def scattered(f, *values: Tensor) -> float:
    """The standard deviation of a result under random rounding, relative to it."""
    exact = f(*values)
    found = []
    for seed in range(50):
        with RandomRounding(torch.Generator().manual_seed(seed), 1.0):
            found.append(f(*values) - exact)
    return float(torch.stack(found).std() / exact.abs().mean())


def test_intermediate_results_are_moved_by_a_few_roundoffs():
    x = torch.full((1,), 3.0, dtype=torch.float64)
    one = scattered(lambda x: x * 1.5, x)
    assert 0.3 < one / 2**-53 < 1.2
    assert scattered(lambda x: (x * 2**20 + 1) - x * 2**20, x) > 2**18 * one  # cancellation


def test_what_only_moves_numbers_is_exact_and_in_place_results_are_written():
    x = torch.randn(4, 5)
    with RandomRounding(torch.Generator().manual_seed(0), 4.0):
        assert torch.equal(x.t().clone().flip(0)[1:], x.t().clone().flip(0)[1:])
        y = x.clone()
        assert y.mul_(3.0) is y
    assert not torch.equal(y, x * 3) and torch.allclose(y, x * 3, rtol=1e-6)


def test_backward_is_moved_too_and_global_random_state_is_not():
    layer, x = nn.GRU(3, 4), torch.randn(5, 2, 3, requires_grad=True)
    (exact,) = torch.autograd.grad(layer(x)[0].sum(), x)
    before = torch.get_rng_state()
    with RandomRounding(torch.Generator().manual_seed(0), 4.0):
        (moved,) = torch.autograd.grad(layer(x)[0].sum(), x)
    assert not torch.equal(moved, exact) and torch.allclose(moved, exact, rtol=1e-4, atol=1e-6)
    assert torch.equal(before, torch.get_rng_state())
