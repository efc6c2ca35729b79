"""A parameter that acts with some options of the call alone, with an argument that may be left out, or past a threshold."""

from typing import Literal

import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn

from rnncheck.adapters.torch_layers import ModuleLayer
from rnncheck.catalog import CATALOG
from rnncheck.catalog.tools.training import effect_of_a_step
from rnncheck.judging.judge import judge, trial_of
from tests.adapters.support import claimed
from tests.typed.cases import small

TRAINABLE = CATALOG["weights.trainable"]
X, H, Y = Float[Tensor, "batch time width"], Float[Tensor, "batch units"], Float[Tensor, "batch time units"]


class InContext(nn.Module):
    """Beside its input it may be given a context, which has weights of its own."""

    cut = False

    def __init__(self, width: int, units: int) -> None:
        super().__init__()
        self.input, self.context, self.state = nn.Linear(width, units), nn.Linear(width, units), nn.Linear(units, units)
        self.units = units

    def forward(self, x: X, context: X | None = None, h: H | None = None) -> tuple[Y, H]:
        h, outputs = x.new_zeros(len(x), self.units) if h is None else h, []
        for t in range(x.shape[1]):
            beside = 0 if context is None else self.context(context[:, t])
            h = torch.tanh(self.input(x[:, t]) + (beside.detach() if self.cut and context is not None else beside) + self.state(h))
            outputs.append(h)
        return torch.stack(outputs, 1), h


class ContextCut(InContext):
    """Wrong: no gradient reaches the weights of the context."""

    cut = True


class Bounded(nn.Module):
    """Forgetting is bounded from below, by a parameter, unless the call says otherwise."""

    cut = False

    def __init__(self, width: int, units: int) -> None:
        super().__init__()
        self.gates, self.bound = nn.Linear(width, 2 * units), nn.Parameter(torch.rand(units))

    def forward(self, x: X, h: H | None = None, forgets: Literal["bounded", "freely"] = "bounded") -> tuple[Y, H]:
        f, new = self.gates(x).chunk(2, -1)
        low = torch.sigmoid(self.bound.detach() if self.cut else self.bound) if forgets == "bounded" else 0
        f, outputs = low + (1 - low) * torch.sigmoid(f), []
        h = torch.zeros_like(new[:, 0]) if h is None else h
        for t in range(x.shape[1]):
            h = f[:, t] * h + (1 - f[:, t]) * new[:, t]
            outputs.append(h)
        return torch.stack(outputs, 1), h


class BoundCut(Bounded):
    """Wrong: no gradient reaches the bound."""

    cut = True


class OfManyOptions(nn.Module):
    """A weight acts with the first of many options alone."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(units))

    def forward(
        self, x: Y, h: H | None = None, scaled: bool = False, a: bool = False, b: bool = False, c: bool = False,
        d: bool = False, e: bool = False,
    ) -> tuple[Y, H]:  # fmt: skip
        x = (x * self.scale if scaled else x) * (1 + sum(2**n for n, one in enumerate((a, b, c, d, e)) if one))
        states = x.cumsum(1) if h is None else x.cumsum(1) + h[:, None]
        return states, states[:, -1]


@pytest.mark.parametrize(
    ("kind", "statuses"),
    [
        (OfManyOptions, {"holds", "warned of"}),
        (InContext, {"holds"}),
        (ContextCut, {"holds", "fails"}),
        (Bounded, {"holds", "warned of"}),
        (BoundCut, {"warned of", "fails"}),
    ],
)
def test_an_option_may_leave_a_parameter_alone(kind, statuses):
    subject = claimed(kind)
    cases = [case for case, _ in zip(small(subject), range(6), strict=False)]
    outcomes = [judge(TRAINABLE, trial_of(subject, case)) for case in cases]
    found = {"warned of" if one.red and TRAINABLE.warns_of(one.differing) else one.status for one in outcomes}
    assert found - {"not_applicable"} == statuses


class Spiking(nn.Module):
    """Its output is 1 beyond a threshold, and its gradient is one that somebody chose."""

    used = True

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.3))
        self.weight.grad = torch.tensor(-1e-3)

    def forward(self, x: Tensor, hx: Tensor | None = None) -> tuple[Tensor, tuple[()]]:
        return (x * (self.weight if self.used else 0.3) > 0.5).to(x.dtype), ()


class SpikingWithoutItsWeight(Spiking):
    """Wrong: no step of training changes anything."""

    used = False


@pytest.mark.parametrize(("kind", "effect"), [(Spiking, "an effect"), (SpikingWithoutItsWeight, "no effect")])
def test_a_small_step_may_flip_no_spike(kind, effect):
    assert effect_of_a_step(ModuleLayer(kind(), False, None), torch.ones(1, 1, 1), None) == effect
