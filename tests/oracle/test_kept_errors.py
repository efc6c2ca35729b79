"""Layers that forget slowly, at rest, in a cycle or on a slow way: their roundings may all have one sign, and are kept."""

import math

import pytest
import torch
from torch import Tensor

from rnncheck.core.config import Config
from rnncheck.oracle import budget, rounding_for
from tests.effort import NIGHTLY, some
from tests.oracle.correct_layers import LAYERS, Data

ANGLES = {"straight on": 0.0, "to and fro": math.pi, "in threes": 2 * math.pi / 3, "in fours": math.pi / 2, "slowly round": 0.2}


def turning(mode: str, angle: float, keeps: float, seed: int, dtype: torch.dtype) -> Data:
    """Two units that turn by an angle at every step and keep so much, seen from a skew basis; the input is constant."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=torch.float64)
    skew = torch.eye(2, dtype=torch.float64) + 0.3 * normal(2, 2)
    scale = (0.01, 0.3, 1.0)[seed % 3]
    parameters = {
        "weight_ih_l0": scale * normal(2, 1).abs(),
        "weight_hh_l0": keeps * skew @ turn @ torch.linalg.inv(skew),
        "bias_ih_l0": torch.full((2,), 3.0 * (mode == "RNN_RELU")),
        "bias_hh_l0": torch.zeros(2),
    }
    parameters = {name: value.to(dtype) for name, value in parameters.items()}
    x, h_0 = torch.full((200, 2, 1), float(seed % 2)), scale * normal(1, 2, 2)
    return Data(Config(mode, 1, 2), dtype, parameters, x.to(dtype), h_0.to(dtype), None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", some([torch.float32, torch.bfloat16, torch.float16], 2), ids=str)
@pytest.mark.parametrize("mode", some(["RNN_TANH", "RNN_RELU"], 2))
@pytest.mark.parametrize("angle", ANGLES.values(), ids=ANGLES)
def test_what_is_kept_for_long_may_be_off_by_all_roundings_at_once(angle, mode, dtype):
    for seed in range(12) if NIGHTLY else (0, 5, 7):  # by day each way to keep and each scale once
        data = turning(mode, angle, (0.97, 0.99, 0.999)[seed // 3 % 3], seed, dtype)
        found = budget(*data.arguments, rounding=rounding_for(dtype), seed=seed)
        with torch.no_grad():
            assert found.used(LAYERS["torch.nn"](data)) < 1, seed


def test_a_rounded_layer_may_go_to_and_fro_where_the_truth_comes_to_rest():
    """Of the eigenvalues one is -0.967: the truth comes to rest within 175 steps, bfloat16 stays between two states."""
    parameters = {
        "weight_ih_l0": torch.eye(3),
        "weight_hh_l0": torch.tensor([[-0.1865, 1.25, -0.1162], [0.3926, -0.3398, -0.5547], [-0.287, -0.2129, 0.4648]]),
        "bias_ih_l0": torch.zeros(3),
        "bias_hh_l0": torch.zeros(3),
    }
    rough = {name: value.bfloat16() for name, value in parameters.items()}
    used = []
    for k in range(12):
        x = torch.tensor([1.1 + 0.03 * k, 1.88 + 0.02 * k, -2.0]).expand(175, 1, 3).bfloat16()
        h_0 = torch.tensor([-0.42, -0.08, -0.59]).view(1, 1, 3).bfloat16()
        data = Data(Config("RNN_RELU", 3, 3), torch.bfloat16, rough, x, h_0, None, None)
        found = budget(*data.arguments, rounding=rounding_for(torch.bfloat16), seed=k)
        with torch.no_grad():
            used.append(found.used(LAYERS["torch.nn"](data)))
    assert max(used) < 1, used
