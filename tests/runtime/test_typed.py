"""agrees_with and watch on functions and modules that are annotated as recurrences of any kind."""

import warnings
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn

import rnncheck
from rnncheck.runtime.contracts import ContractViolation
from tests.typed.caches import Cache, Given, summed

X, Out, H = Float[Tensor, "batch time input"], Float[Tensor, "batch time units"], Float[Tensor, "batch units"]


@dataclass
class State:
    h: H
    count: Float[Tensor, "batch"]


class Leaky(nn.Module):
    """Two inputs, a state in a dataclass."""

    wrong = 0.0

    def __init__(self, input_size: int, units: int) -> None:
        super().__init__()
        self.input_size, self.units = input_size, units
        self.into = nn.Linear(input_size, units)

    def forward(self, x: X, gate: Out, state: State | None = None, *, scale: float = 1.0) -> tuple[Out, State]:
        h, n = (x.new_zeros(len(x), self.units), x.new_zeros(len(x))) if state is None else (state.h, state.count)
        outputs = []
        for t in range(x.shape[1]):
            h, n = (torch.sigmoid(gate[:, t]) + self.wrong) * h + scale * self.into(x[:, t]), n + 1
            outputs.append(h)
        return torch.stack(outputs, 1), State(h, n)


class Wrong(Leaky):
    wrong = 0.01


class WrongShape(Leaky):
    def forward(self, x: X, gate: Out, state: State | None = None) -> tuple[Out, State]:
        output, state = super().forward(x, gate, state)
        return output, State(state.h[:, :-1], state.count)


def data(dtype=torch.float32):
    return (
        torch.randn(3, 6, 2, dtype=dtype),
        torch.randn(3, 6, 4, dtype=dtype),
        State(*(torch.randn(3, *n, dtype=dtype) for n in ((4,), ()))),
    )


@pytest.mark.parametrize("reference", [Leaky, Leaky(2, 4)], ids=["class", "module"])
@pytest.mark.parametrize("kind", [Leaky, Wrong])
def test_a_module_is_held_against_its_reference(kind, reference):
    looked_at = rnncheck.agrees_with(reference, sample=1.0)(type("Mine", (kind,), {"forward": kind.forward}))(2, 4)
    x, gate, state = data()
    with warnings.catch_warnings(action="error"):
        if kind is Leaky:
            looked_at(x, gate=gate)
            looked_at(x=x, gate=gate, state=state, scale=0.5)
        else:
            with pytest.raises(ContractViolation, match="does not agree"):
                looked_at(x, gate, state)


Units = Float[Tensor, "batch time units"]


class Unsized(nn.Module):
    """It keeps no size: the axes of a call say it."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(units))

    def forward(
        self, x: Float[Tensor, "batch time units"], gate: Float[Tensor, "batch time units"]
    ) -> Float[Tensor, "batch time units"]:
        return (x * self.weight + gate).cumsum(1)


@pytest.mark.parametrize("factor", [1.0, 1.01])
def test_the_axes_of_a_call_say_the_sizes_of_the_reference(factor):
    class Mine(Unsized):
        def forward(self, x: Units, gate: Units) -> Units:
            return factor * super().forward(x, gate)

    looked_at = rnncheck.agrees_with(Unsized, sample=1.0)(Mine)(3)
    with warnings.catch_warnings(action="error"), nullcontext() if factor == 1.0 else pytest.raises(ContractViolation):
        looked_at(torch.randn(2, 5, 3), torch.randn(2, 5, 3))


def test_a_module_that_exists_is_held_against_its_reference():
    right, wrong = (rnncheck.agrees_with(Leaky, sample=1.0)(kind(2, 4)) for kind in (Leaky, Wrong))
    right(*data())
    with pytest.raises(ContractViolation, match="does not agree"):
        wrong(*data())


@pytest.mark.parametrize("more", [torch.randn_like, torch.ones_like])
def test_calls_that_draw_random_numbers_are_left_out(more):
    class Moved(Leaky):
        def forward(self, x: X, gate: Out, state: State | None = None) -> tuple[Out, State]:
            return super().forward(x + more(x), gate, state)

    left_out = more is torch.randn_like
    with nullcontext() if left_out else pytest.raises(ContractViolation, match="does not agree"):
        rnncheck.agrees_with(Leaky, sample=1.0)(Moved)(2, 4)(*data())


def decode(x: Float[Tensor, "batch time units"], cache: Given) -> Float[Tensor, "batch time units"]:
    return summed(x, cache)


@pytest.mark.parametrize("factor", [1.0, 1.01])
def test_a_function_with_a_cache_is_held_against_its_reference(factor):
    def other(x: Any, cache: Annotated[Cache, rnncheck.State(new=Cache)]) -> Any:
        return factor * summed(x, cache)

    looked_at, cache = rnncheck.agrees_with(other, sample=1.0)(decode), Cache()
    for _ in range(2):
        if factor == 1.0:
            looked_at(torch.randn(2, 3, 4), cache)
        else:
            with pytest.raises(ContractViolation):
                looked_at(torch.randn(2, 3, 4), cache)
    assert len(cache.before) == 6


def test_what_is_watched_fits():
    model = nn.ModuleDict({"inner": Leaky(2, 4)})
    with rnncheck.watch(model, sample=1.0, policy="raise") as seen:
        model["inner"](*data())
    assert seen.calls == 1 and not seen.findings


@pytest.mark.parametrize(
    ("kind", "scale", "told"), [(WrongShape, 1.0, "has units = 3, but should have 4"), (Leaky, float("inf"), "non-finite")]
)
def test_what_does_not_fit_is_told(kind, scale, told):
    x, gate, state = data()
    model = kind(2, 4)
    with pytest.raises(ContractViolation, match=told), rnncheck.watch(model, sample=1.0, policy="raise"):
        model(x * scale, gate, state)
