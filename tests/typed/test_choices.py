"""A module like torch's layers whose forward has options is read from its types, so that each of their values is tried."""

from itertools import islice
from typing import Literal

import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn

from rnncheck.adapters.targets.resolve import subjects
from rnncheck.catalog import CATALOG
from rnncheck.judging.judge import judge, trial_of
from rnncheck.reading.typed import is_typed
from tests.adapters.support import claimed
from tests.typed.cases import small

X, H, Y = Float[Tensor, "steps n width"], Float[Tensor, "n units"], Float[Tensor, "steps n units"]


class OfEitherKind(nn.Module):
    cut: tuple[str, ...] = ()

    def __init__(self, width: int, units: int) -> None:
        super().__init__()
        self.cell = nn.Linear(width + units, units)
        self.units = units

    def forward(self, x: X, h: H | None = None, activation: Literal["tanh", "relu"] = "tanh") -> tuple[Y, H]:
        h, outputs = x.new_zeros(x.shape[1], self.units) if h is None else h, []
        for step in x:
            h = getattr(torch, activation)(self.cell(torch.cat([step, h], -1)))
            outputs.append(h)
            h = h.detach() if activation in self.cut else h
        return torch.stack(outputs), h


class CutInOneKind(OfEitherKind):
    """Wrong: no gradient flows from step to step with the option that is no default."""

    cut = ("relu",)


@pytest.mark.parametrize(("kind", "red"), [(OfEitherKind, False), (CutInOneKind, True)])
def test_each_value_is_tried(kind, red):
    subject = claimed(kind)
    outcomes = [judge(CATALOG["gradient.through_final_state"], trial_of(subject, case)) for case in islice(small(subject), 12)]
    assert any(outcome.red for outcome in outcomes) == red


def test_n_is_the_batch_behind_time_too():
    (subject,) = subjects(OfEitherKind)
    assert subject.named.batch == "n"


class Deep(OfEitherKind):
    def __init__(self, width: int, units: int, num_layers: int = 1) -> None:
        super().__init__(width, units)


class Brief(OfEitherKind):
    def forward(self, x: X, h: H | None = None, return_sequences: bool = True) -> tuple[Y, H]: ...


@pytest.mark.parametrize("kind", [Deep, Brief])
def test_options_of_a_constructor_or_of_what_is_returned_are_read_by_experiment(kind):
    assert not is_typed(kind)
