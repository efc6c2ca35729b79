"""Sums in the lanes of a vector register: terms whose signs alternate are alike in each lane, and so are their roundings."""

import pytest
import torch
from torch import Tensor

from rnncheck.core.config import Config
from rnncheck.core.values import Values
from rnncheck.oracle import budget, rounding_for
from tests.oracle.correct_layers import Data, Style, loop


def in_lanes(lanes: int) -> Style:
    """Every so manyth term is summed by itself, one after the other; then the lanes."""

    def product(x: Tensor, w: Tensor) -> Tensor:
        total = torch.zeros(len(x), len(w), lanes)
        for terms in (x[:, None] * w).split(lanes, dim=-1):
            total = total + torch.nn.functional.pad(terms, (0, lanes - terms.shape[-1]))
        while total.shape[-1] > 1:
            total = total[..., ::2] + total[..., 1::2]
        return total[..., 0]

    return Style(product=product)


def patterned(features: int, weights: str, input: str) -> Data:
    """An LSTM of one unit and one step, on weights and input that follow a pattern."""
    parameters = {
        "weight_ih_l0": Values(weights).tensor((4, features), 0, "w").float(), "weight_hh_l0": torch.arange(1.0, 5)[:, None] / 4,
        "bias_ih_l0": torch.zeros(4), "bias_hh_l0": torch.zeros(4),
    }  # fmt: skip
    x, state = Values(input).tensor((1, 1, features), 0, "x").float(), torch.zeros(1, 1, 1)
    return Data(Config("LSTM", features, 1), torch.float32, parameters, x, state, state, None)


@pytest.mark.parametrize("lanes", [1, 2, 4, 8])
@pytest.mark.parametrize("features", [16, 24, 33, 64, 129, 257, 993, 1025])
def test_alternating_terms_are_rounded_alike_in_each_lane(features, lanes):
    for weights, input in (("ramp", "alternating"), ("alternating", "ramp"), ("ones", "alternating"), ("ramp", "ramp")):
        data = patterned(features, weights, input)
        found = budget(*data.arguments, rounding=rounding_for(torch.float32), seed=0)
        assert found.used(loop(data, in_lanes(lanes))) < 1, (weights, input)


def test_a_ramp_of_993_would_be_refused_otherwise(monkeypatch):
    """Seen on a processor with AVX2: four lanes, and 28 roundoffs of all terms' sizes, where independent ones make 4."""
    data = patterned(993, "ramp", "alternating")
    w, x = data.parameters["weight_ih_l0"], data.x[0]
    error = (in_lanes(4).product(x, w).double() - x.double() @ w.double().T).abs()
    assert (error / (2.0**-24 * w.double().abs().sum(1))).max() > 20
    monkeypatch.setattr("rnncheck.oracle.error_size.FEW", 10_000)
    found = [budget(*data.arguments, rounding=rounding_for(torch.float32), seed=seed) for seed in range(8)]
    shares = [one.used(loop(data, in_lanes(4))) for one in found]
    assert max(shares) > 1


def test_of_random_terms_hardly_more_is_allowed_than_without_lanes(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    data = patterned(129, "ramp", "alternating")
    parameters = {name: torch.randn(value.shape, generator=generator) for name, value in data.parameters.items()}
    arguments = (data.config, parameters, torch.randn(data.x.shape, generator=generator))
    before = budget(*arguments, rounding=rounding_for(torch.float32), seed=0)
    monkeypatch.setattr("rnncheck.oracle.error_size.FEW", 10_000)
    without = budget(*arguments, rounding=rounding_for(torch.float32), seed=0)
    assert (before.allowed.output < 1.1 * without.allowed.output).all()
