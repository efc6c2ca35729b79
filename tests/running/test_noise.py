"""The noise that is measured on the subject itself."""

import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn

import rnncheck
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.observation import equal, near
from rnncheck.core.values import Values
from rnncheck.running import tolerance
from rnncheck.running.measured_noise import least_budget, least_gradient_budget, noise_budget, noise_gradient_budget
from rnncheck.running.random_rounding import RandomRounding
from rnncheck.running.trial import Trial
from rnncheck.strategies.plan import plan
from tests.adapters.support import claimed


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


class Cancelling(LogOfTheFirst):
    """Exact but for rounding, and not backward stable: a large multiple is added and taken away again, backward too."""

    def forward(self, x: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        output, h = self.layer(x, h)
        output = 4097.3 * output - 4096.3 * output
        return output, output[-1:].clone()


def test_what_intermediate_rounding_does_is_allowed():
    subject = claimed(Cancelling)
    for seed in range(5):
        trial = Trial(subject, Case(Config("RNN_RELU", 3, 5), 4, 2, seed=seed))
        x, hx = trial.lay_out(trial.x, trial.state)
        x = x.double().requires_grad_()
        exact, _ = trial.build().module.double()(x, hx)
        error = (trial.run.output - exact.detach()).abs()
        assert float(error.max()) > 1e-5 and bool((error <= noise_budget(trial).allowed.output).all())
        weights = trial.cotangents()
        (gradient,) = torch.autograd.grad((exact * weights.output).sum() + (exact[-1:] * weights.h_n).sum(), x)
        found = trial.gradient_budget()
        error = (trial.gradients(weights)["input"] - gradient).abs()
        assert float(error.max()) > 1e-5 and bool((error <= found.allowed["input"]).all())


def test_noise_is_measured_where_a_difference_is_more_than_is_allowed_without_any(monkeypatch):
    trial, measured = Trial(claimed(Cancelling), Case(Config("RNN_RELU", 3, 5), 4, 2)), []
    monkeypatch.setattr(tolerance, "noise_budget", lambda trial: measured.append(trial) or noise_budget(trial))
    eps, truth = torch.finfo(torch.float32).eps, trial.run
    for roundoffs in (0, 2, 8):
        assert trial.same(truth.map(lambda part, k=roundoffs: part + k * eps)).holds and not measured
    assert trial.same(truth.map(lambda part: part + 100 * eps)).holds and len(measured) == 1
    assert not trial.same(truth.map(lambda part: part + 0.1)).holds


def test_the_least_of_what_is_allowed_is_no_more_than_what_is_measured():
    trial = Trial(claimed(Cancelling), Case(Config("RNN_RELU", 3, 5), 4, 2))
    pairs = zip(least_budget(trial).allowed.parts(), noise_budget(trial).allowed.parts(), strict=True)
    assert all(bool((0 < least).all()) and bool((least <= allowed).all()) for (_, least), (_, allowed) in pairs)
    weights = trial.cotangents()
    least, allowed = least_gradient_budget(trial, weights).allowed, noise_gradient_budget(trial, weights).allowed
    assert least.keys() == allowed.keys()
    assert all(bool((0 < least[name]).all()) and bool((least[name] <= allowed[name]).all()) for name in least)


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
    assert scattered(lambda x: x + 1, x) == 0  # a count
    assert scattered(lambda x: (x * 2**20 + 1) - x * 2**20, x) > 2**18 * one  # cancellation


def test_what_only_moves_numbers_is_exact_and_in_place_results_are_written():
    x = torch.randn(4, 5)
    with RandomRounding(torch.Generator().manual_seed(0), 4.0):
        assert torch.equal(x.t().clone().flip(0)[1:], x.t().clone().flip(0)[1:])
        y = x.clone()
        assert y.mul_(3.0) is y
        assert not (torch.zeros(5, dtype=torch.float16) * 3).any()  # not even a subnormal number
    assert not torch.equal(y, x * 3) and torch.allclose(y, x * 3, rtol=1e-6)


def test_an_infinity_stays_as_it_is_and_masks_are_exact():
    mask = torch.ones(20, 20).tril()
    with RandomRounding(torch.Generator().manual_seed(0), 4.0):
        assert torch.equal(torch.ones(20, 20).tril(), mask)
        masked = mask.log() - torch.ones(20)  # -inf where nothing is seen
    assert torch.equal(masked.isinf(), mask == 0) and not masked.isnan().any()


def test_backward_is_moved_too_and_global_random_state_is_not():
    layer, x = nn.GRU(3, 4), torch.randn(5, 2, 3, requires_grad=True)
    (exact,) = torch.autograd.grad(layer(x)[0].sum(), x)
    before = torch.get_rng_state()
    with RandomRounding(torch.Generator().manual_seed(0), 4.0):
        (moved,) = torch.autograd.grad(layer(x)[0].sum(), x)
    assert not torch.equal(moved, exact) and torch.allclose(moved, exact, rtol=1e-4, atol=1e-6)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("size", [2.0**-10, 1.0, 2.0**10])
def test_rounding_inside_an_exponential_of_a_matrix_is_as_large_as_it_is_in_torch(size):
    generator = torch.Generator().manual_seed(0)
    skew, weights = torch.randn(2, 6, 6, dtype=torch.float64, generator=generator)
    skew = (skew - skew.T).requires_grad_()

    def slopes(weights: Tensor) -> Tensor:
        return torch.autograd.grad(torch.linalg.matrix_exp(skew), skew, weights)[0]

    found = slopes(size * weights)
    error = float((found - slopes(weights * 2.0**-20) * 2.0**20 * size).abs().max() / found.abs().mean())
    noise = scattered(slopes, size * weights)
    assert error < 16 * noise and noise < 2**-53 * 64 * max(1.0, 8 * size)


class AllNoise(LogOfTheFirst):
    """Every result is what rounding makes of it."""

    def forward(self, x: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        output, h = self.layer(x, h)
        output = torch.sin(output / torch.finfo(x.dtype).eps)
        return output, output[-1:].clone()


def test_where_nothing_can_be_said_nothing_holds(tmp_path):
    told = {"properties": "time.split,shape.output", "engine": "inline", "max_examples": 12, "folder": tmp_path}
    report = rnncheck.verify(AllNoise, **told)
    found = {verdict.property: (verdict.verdict, verdict.cases, verdict.reason) for _, verdict in report.verdicts()}
    assert found["time.split"] == ("not_reached", 0, "inconclusive: rounding alone could account for any difference here")
    assert found["shape.output"][0] == "holds" and report.exit_code == 3


@pytest.mark.parametrize("allowed", [torch.tensor([torch.inf, torch.inf]), torch.inf])
def test_a_comparison_without_a_limit_says_nothing(allowed):
    there = near("x", torch.zeros(2), torch.ones(2), allowed)
    assert there.holds and not there.decided
    assert (there & equal("shape", 1, 1)).decided
    assert near("x", torch.zeros(2), torch.zeros(2), torch.tensor([torch.inf, 0.0])).decided


X = Float[Tensor, "batch time units"]


def beside_a_large_one(x: X) -> tuple[X, X]:
    """Sums of a million times the input, and the input itself."""
    return (1e6 * x).cumsum(1), 1.0 * x


def one_noisy_feature(x: X) -> Float[Tensor, "batch time 64"]:
    """One feature is a difference of large sums, the others are exact."""
    noisy = (1e3 + x[..., :1]).cumsum(1) - 1e3 * torch.arange(1, x.shape[1] + 1).to(x)[:, None]
    return torch.cat([noisy, torch.ones_like(x[..., :1]).expand(-1, -1, 63)], -1)


def allowed_of(function, time=6):
    subject = claimed(function)
    case = next(case for case in plan(subject, ("float32",), 2, 0) if case.time == time and case.batch and case.dtype == "float32")
    trial = Trial(subject, case.but(input=Values(), switches=()))
    return trial, noise_budget(trial).allowed.output


def test_noise_of_one_output_is_not_allowed_to_another():
    trial, allowed = allowed_of(beside_a_large_one)
    large, small = allowed.split(allowed.shape[-1] // 2, -1)
    assert float(small.max()) < 1e-4 < float(large.max())


def test_noise_of_one_feature_is_its_own():
    trial, allowed = allowed_of(one_noisy_feature)
    truth = trial.but(dtype="float64", x=trial.x.double()).run.output
    assert bool(((trial.run.output - truth).abs() <= allowed).all())
    assert bool((allowed[..., 0] > 4 * allowed[..., 1]).all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=str)
def test_zeros_infinities_and_counts_stay_and_subnormal_numbers_move(dtype):
    stay = torch.tensor([0.0, -0.0, torch.inf, -torch.inf], dtype=dtype)
    small = torch.tensor([torch.finfo(dtype).smallest_normal / 2, 1 / 3], dtype=dtype)
    with RandomRounding(torch.Generator().manual_seed(0), 64.0):
        moved, same, counts = torch.cat([stay, small]) * 0.75, stay * 0.75, torch.tensor([3.0, -7.0, 256.0], dtype=dtype) - 1
    assert torch.equal(moved[:4], stay) and torch.equal(same, stay) and counts.tolist() == [2.0, -8.0, 255.0]
    assert bool((moved[4:] != small * 0.75).all()) and bool(((moved[4:] - small * 0.75).abs() <= 0.5).all())
