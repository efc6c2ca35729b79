"""Rectifiers with equal rows switch at once: where all that is on is in doubt, nothing is said of what comes after."""

import pytest
import torch
from torch import Tensor, nn

from rnncheck.core.config import Config
from rnncheck.oracle import budget, rounding_for
from rnncheck.oracle.equal_rows import Twins
from rnncheck.oracle.perturbation import slopes_in_doubt


def alternating(rows: int, columns: int) -> Tensor:
    """+1 and -1 in turn, as in memory: with an even number of columns all rows are equal."""
    return (1 - 2.0 * (torch.arange(rows * columns) % 2)).reshape(rows, columns)


def used(hidden: int, seed: int) -> float:
    """By torch.nn in bfloat16, whose sum of equal states, half of them negative, is exactly 0 where the truth's is not."""
    g = torch.Generator().manual_seed(seed)
    into, back = (float(torch.rand((), generator=g)) for _ in range(2))
    layer = nn.RNN(5, hidden, nonlinearity="relu", bias=False).bfloat16()
    with torch.no_grad():
        layer.weight_ih_l0.copy_(10 * into * alternating(hidden, 5))
        layer.weight_hh_l0.copy_(-(1 + 50 * back) * alternating(hidden, hidden))
    x, h_0 = (0.03 * torch.randn(11, 2, 5, generator=g)).bfloat16(), torch.randn(1, 2, hidden, generator=g).bfloat16()
    parameters = {name: p.detach() for name, p in layer.named_parameters()}
    config = Config("RNN_RELU", 5, hidden, bias=False)
    allowed = budget(config, parameters, x, h_0, rounding=rounding_for(torch.bfloat16), seed=seed)
    with torch.no_grad():
        output, _ = layer(x, h_0)
    ratios = (output.double() - allowed.truth.output).abs() / allowed.allowed.output
    return float(ratios.nan_to_num().max())


@pytest.mark.parametrize("hidden", [4, 16, 64])
def test_a_right_layer_stays_within_its_budget(hidden):
    assert max(used(hidden, seed) for seed in range(40)) <= 1


@pytest.mark.parametrize(("on", "doubtful", "same", "infinite"), [
    ([1, 1, 1], [1, 1, 1], [0, 0, 0], True),
    ([1, 1, 1], [1, 1, 0], [0, 0, 2], False),  # the third is surely on
    ([1, 1, 0], [1, 1, 0], [0, 0, 2], True),
    ([1, 1, 1], [1, 1, 1], [0, 1, 2], False),  # none is like another
])  # fmt: skip
def test_twins_in_doubt_are_all_or_nothing(on, doubtful, same, infinite):
    units, doubt = torch.tensor(on).bool(), torch.tensor(doubtful).bool()
    slopes = slopes_in_doubt(units, doubt, Twins(torch.tensor(same), torch.ones(3)))
    assert bool(slopes.isinf()) is infinite
