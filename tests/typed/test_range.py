"""Numbers that float32 can hold are lost on the way to them: in a gate's logarithm, in an exponential that overflows."""

from itertools import islice

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from rnncheck.adapters.targets.resolve import subjects
from rnncheck.campaign.probing import probe_all
from rnncheck.catalog import CATALOG
from rnncheck.judging.judge import judge, trial_of
from rnncheck.strategies.plan import plan

X, H = Float[Tensor, "batch time units"], Float[Tensor, "batch units"]
CASES = 12


def blend(gate: X, x: X, h0: H | None = None) -> tuple[X, H]:
    """h = (1 - z) h + z softplus(x), step by step."""
    h, outputs = torch.zeros_like(x[:, 0]) if h0 is None else h0, []
    for t in range(x.shape[1]):
        z = gate[:, t].sigmoid()
        h = (1 - z) * h + z * torch.nn.functional.softplus(x[:, t])
        outputs.append(h)
    return torch.stack(outputs, 1), h


def in_parallel(kept: Tensor, taken: Tensor, h0: Tensor | None) -> tuple[Tensor, Tensor]:
    """The same from the logarithms of what is kept at each step and of what is taken."""
    total = kept.cumsum(1)
    h = (total + (taken - total).logcumsumexp(1)).exp()
    h = h if h0 is None else h + total.exp() * h0[:, None]
    return h, h[:, -1].clone()


def logarithm(x: Tensor) -> Tensor:
    """log(softplus(x)), which is x where that is far below 0."""
    return torch.where(x < -10, x, torch.nn.functional.softplus(x.clamp(min=-10)).log())


def in_logarithms(gate: X, x: X, h0: H | None = None) -> tuple[X, H]:
    """Right: log(1 - z) = logsigmoid(-gate)."""
    sigmoid = torch.nn.functional.logsigmoid
    return in_parallel(sigmoid(-gate), sigmoid(gate) + logarithm(x), h0)


def logarithm_of_the_gate(gate: X, x: X, h0: H | None = None) -> tuple[X, H]:
    """log(1 - sigmoid(gate)) is log(0) from 17 on in float32, and from 37 on in float64."""
    return in_parallel((1 - gate.sigmoid()).log(), torch.nn.functional.logsigmoid(gate) + logarithm(x), h0)


def divided(gate: X, x: X, h0: H | None = None) -> tuple[X, H]:
    """What is taken is divided by what has been kept up to it, which overflows."""
    total = (-torch.nn.functional.softplus(gate)).cumsum(1)
    h = total.exp() * ((-total).exp() * gate.sigmoid() * torch.nn.functional.softplus(x)).cumsum(1)
    h = h if h0 is None else h + total.exp() * h0[:, None]
    return h, h[:, -1].clone()


def outcomes(target, prop, against=None):
    """The property on the first cases."""
    (subject,) = probe_all(subjects(target, against=against), "inline")
    cases = islice(plan(subject, ("float32",), 2, 0), CASES)
    return [judge(CATALOG[prop], trial_of(subject, case)) for case in cases]


@pytest.mark.parametrize("mistake", [logarithm_of_the_gate, divided])
def test_a_number_that_float32_can_hold_is_lost(mistake):
    assert any(found.status == "fails" for found in outcomes(mistake, "numeric.range"))


@pytest.mark.parametrize("right", [blend, in_logarithms])
def test_what_is_right_loses_none(right):
    found = outcomes(right, "numeric.range")
    assert not any(one.red for one in found)
    assert sum(one.status == "holds" for one in found) > CASES / 2


def test_a_number_of_the_reference_is_lost():
    assert any("nan" in str(one.mismatches) for one in outcomes(logarithm_of_the_gate, "agree.against", blend))
    assert not any(one.red for one in outcomes(in_logarithms, "agree.against", blend))
