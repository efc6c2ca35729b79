"""Numbers that float32 can hold are lost on the way to them: in a gate's logarithm, in an exponential that overflows."""

from collections.abc import Callable
from itertools import islice
from typing import Annotated

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

import rnncheck
from rnncheck.catalog import CATALOG
from rnncheck.judging.judge import judge, trial_of
from tests.adapters.support import claimed
from tests.typed.cases import small

X, H = Float[Tensor, "batch time units"], Float[Tensor, "batch units"]
Share = Annotated[X, rnncheck.Values(low=0.0, high=1.0)]
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
    subject = claimed(target, against=against)
    cases = islice(small(subject, ("float32",)), CASES)
    return [judge(CATALOG[prop], trial_of(subject, case)) for case in cases]


def in_chunks(gate: X, x: X, h0: H | None, masked: Callable[[Tensor, Tensor], Tensor]) -> tuple[X, H]:
    """The same in chunks of 8; masked: what is kept from each step to each later one, of a difference that overflows above."""
    h, outputs = torch.zeros_like(x[:, 0]) if h0 is None else h0, []
    for one, other in zip(gate.split(8, 1), x.split(8, 1), strict=True):
        total = (-torch.nn.functional.softplus(one)).cumsum(1)
        later = torch.ones(one.shape[1], one.shape[1], dtype=torch.bool, device=x.device).tril()[..., None]
        kept = masked(later, total[:, :, None] - total[:, None])
        y = (kept * (one.sigmoid() * torch.nn.functional.softplus(other))[:, None]).sum(2) + total.exp() * h[:, None]
        outputs.append(y)
        h = y[:, -1].clone()
    return torch.cat(outputs, 1), h


def masked_after_the_exponential(gate: X, x: X, h0: H | None = None) -> tuple[X, H]:
    """exp overflows above the diagonal: results leave it out, and its gradient is 0 * inf."""
    return in_chunks(gate, x, h0, lambda later, since: torch.where(later, since.exp(), 0))


def masked_before_the_exponential(gate: X, x: X, h0: H | None = None) -> tuple[X, H]:
    """Right: exp(-inf) is 0, and so is its slope."""
    return in_chunks(gate, x, h0, lambda later, since: since.masked_fill(~later, -torch.inf).exp())


def with_share(x: Tensor, h0: Tensor | None, share: Tensor, taken: Tensor) -> tuple[Tensor, Tensor]:
    """h = share h + taken x"""
    h, outputs = torch.zeros_like(x[:, 0]) if h0 is None else h0, []
    for t in range(x.shape[1]):
        h = share[:, t] * h + taken[:, t] * x[:, t]
        outputs.append(h)
    return torch.stack(outputs, 1), h


def rest_of_a_share(x: X, share: Share, h0: H | None = None) -> tuple[X, H]:
    """Right, at shares of exactly 0 and 1 too."""
    return with_share(x, h0, share, 1 - share)


def root_of_a_share(x: X, share: Share, h0: H | None = None) -> tuple[X, H]:
    """Right: at a share of exactly 1 the root has no slope, and nothing can be said of it."""
    return with_share(x, h0, share, (1 - share.square()).sqrt())


def hyperbola(x: X, rate: Annotated[X, rnncheck.Values(low=0.0)], h0: H | None = None) -> tuple[X, H]:
    """Right: a time of 1 / rate has no limit at a rate of exactly 0."""
    return with_share(x, h0, 0.5 + 0 * x, 1 / rate)


def slope_lost_at_one(x: X, share: Share, h0: H | None = None) -> tuple[X, H]:
    """exp(log(0)) is 0, and its gradient is NaN."""
    return with_share(x, h0, share, (1 - share).log().exp())


def decay_in_logarithms(x: X, share: Share, h0: H | None = None) -> tuple[X, H]:
    """Right, as a decay in logarithms: that log(0) - log(0) is NaN at a share of exactly 0 is not asked."""
    total = share.log().cumsum(1)
    later = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).tril()[..., None]
    kept = (total[:, :, None] - total[:, None]).masked_fill(~later, -torch.inf).exp()
    h = (kept * x[:, None]).sum(2)
    h = h if h0 is None else h + total.exp() * h0[:, None]
    return h, h[:, -1].clone()


def lost_where_nothing_is_forgotten(x: X, log_decay: Annotated[X, rnncheck.Values(high=0.0)], h0: H | None = None) -> tuple[X, H]:
    """(exp(a) - 1) / a is 0 / 0 at a = 0."""
    return with_share(x, h0, log_decay.exp(), log_decay.expm1() / log_decay)


@pytest.mark.parametrize(
    "mistake",
    [logarithm_of_the_gate, divided, masked_after_the_exponential],
)
def test_a_number_that_float32_can_hold_is_lost(mistake):
    assert any(found.status == "fails" for found in outcomes(mistake, "numeric.range"))


@pytest.mark.parametrize(
    "right",
    [blend, in_logarithms, masked_before_the_exponential, rest_of_a_share, root_of_a_share, hyperbola, decay_in_logarithms],
)
def test_what_is_right_loses_none(right):
    found = outcomes(right, "numeric.range")
    assert not any(one.red for one in found)
    assert sum(one.status == "holds" for one in found) > CASES / 2


@pytest.mark.parametrize("careless", [slope_lost_at_one, lost_where_nothing_is_forgotten])
def test_a_value_at_its_bound_is_warned_of(careless):
    assert any(found.status == "fails" for found in outcomes(careless, "numeric.bounds"))
    assert CATALOG["numeric.bounds"].convention is not None


@pytest.mark.parametrize("right", [rest_of_a_share, root_of_a_share, hyperbola, decay_in_logarithms])
def test_what_has_no_limit_at_a_bound_is_not_asked(right):
    found = outcomes(right, "numeric.bounds")
    assert not any(one.red for one in found)


def test_a_number_of_the_reference_is_lost():
    assert any("nan" in str(one.mismatches) for one in outcomes(logarithm_of_the_gate, "agree.against", blend))
    assert not any(one.red for one in outcomes(in_logarithms, "agree.against", blend))


def unstable(x: X, k: X, h0: Float[Tensor, "batch units units"] | None = None) -> tuple[X, Float[Tensor, "batch units units"]]:
    """Right: a delta rule whose keys have any length, so that its state grows from step to step."""
    h, outputs = torch.zeros(len(x), x.shape[2], x.shape[2]).to(x) if h0 is None else h0, []
    for t in range(x.shape[1]):
        h = h + k[:, t, :, None] * (x[:, t] - (k[:, t, :, None] * h).sum(1))[:, None]
        outputs.append(h.sum(1))
    return torch.stack(outputs, 1), h


def exponential_gate(x: X, gate: X, h0: tuple[H, H] | None = None) -> tuple[X, tuple[H, H]]:
    """An average with weights that grow with e^t, and nothing that holds them: moderate until inf / inf."""
    total, weight = (torch.zeros_like(x[:, 0]), torch.ones_like(x[:, 0])) if h0 is None else h0
    outputs = []
    for t in range(x.shape[1]):
        grown = torch.exp(1 + 0.1 * torch.tanh(gate[:, t]))
        total, weight = grown * total + x[:, t], grown * weight + 1
        outputs.append(total / (1 + weight.abs()))
    return torch.stack(outputs, 1), (total, weight)


@pytest.mark.parametrize("prop", ["numeric.finite", "numeric.finite_gradient"])
def test_what_grows_from_step_to_step_may_leave_the_range(prop):
    found = outcomes(unstable, prop)
    assert not any(one.red for one in found)
    assert any("grow from step to step" in str(one.reason) for one in found)


def test_what_is_moderate_until_it_overflows_may_not():
    assert any(one.status == "fails" for one in outcomes(exponential_gate, "numeric.finite"))


Three = tuple[H, H, H]


def weighted_mean(k: X, v: X, state: Three | None = None) -> tuple[X, Three]:
    """Right: a mean with weights exp(k), as RWKV computes it; all zeros are a state that no steps lead to."""
    start = x_of(v), x_of(v), torch.full_like(x_of(v), -1e38)
    total, weight, largest = start if state is None else state
    outputs = []
    for t in range(k.shape[1]):
        top = torch.maximum(largest, k[:, t])
        old, new = (largest - top).exp(), (k[:, t] - top).exp()
        total, weight, largest = old * total + new * v[:, t], old * weight.abs() + new, top
        outputs.append(total / weight)
    return torch.stack(outputs, 1), (total, weight, largest)


def x_of(v: Tensor) -> Tensor:
    return torch.zeros_like(v[:, 0])


def weighted_mean_without_the_largest(k: X, v: X, state: Three | None = None) -> tuple[X, Three]:
    """Wrong: it is 0 / 0 where all weights of the first steps are too small."""
    total, weight, unused = (x_of(v),) * 3 if state is None else state
    total = total[:, None] + (k.exp() * v).cumsum(1)
    weight = weight.abs()[:, None] + k.exp().cumsum(1)
    return total / weight, (total[:, -1].clone(), weight[:, -1].clone(), unused + 1)


@pytest.mark.parametrize(("function", "red"), [(weighted_mean, False), (weighted_mean_without_the_largest, True)])
def test_large_input_comes_after_a_state_that_steps_lead_to(function, red):
    assert any(outcome.red for outcome in outcomes(function, "numeric.range")) == red
