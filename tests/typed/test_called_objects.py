"""What is called need not be a function: functools.partial of one, or an object whose class says how it is called."""

from functools import partial
from itertools import islice
from typing import Literal

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from rnncheck.catalog import CATALOG
from rnncheck.judging.judge import judge, trial_of
from tests.adapters.support import claimed
from tests.typed.cases import small

X, H = Float[Tensor, "batch time units"], Float[Tensor, "batch units"]


class Leak:
    """Is no module: it has a number, and is called."""

    def __init__(self, kept: float) -> None:
        self.kept = kept

    def __call__(self, x: X, gate: X, h0: H | None = None) -> tuple[X, H]:
        return leaky(self.kept, x, gate, h0)


def leaky(
    kept: float, x: X, gate: X, h0: H | None = None, form: Literal["steps", "none"] = "none", whole: bool = True
) -> tuple[X, H]:
    assert form == "steps" or kept
    h, outputs = torch.zeros_like(x[:, 0]) if h0 is None else h0, []
    for t in range(x.shape[1]):
        h = kept * torch.sigmoid(gate[:, t]) * h + x[:, t]
        outputs.append(h)
    return torch.stack(outputs, 1), outputs[-1 if whole else 0]


@pytest.mark.parametrize(
    ("target", "red"),
    [
        (Leak(0.5), False),
        (Leak(0.5).__call__, False),
        (partial(leaky, 0.5, whole=True), False),
        (partial(leaky, 0.0, form="steps", whole=True), False),
        (partial(leaky, 0.5, whole=False), True),
    ],
)
def test_it_is_read_from_its_types(target, red):
    subject = claimed(target)
    assert subject.read_as.startswith("x, gate: sequences; h0 -> second result: state (units)") and "whole" not in subject.choices
    cases = islice(small(subject), 4)
    assert any(judge(CATALOG["time.split"], trial_of(subject, case)).red for case in cases) == red
