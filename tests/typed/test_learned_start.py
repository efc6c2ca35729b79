"""A parameter that is the state to begin with where none is given acts in such calls alone."""

from itertools import islice

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from rnncheck.catalog import CATALOG
from rnncheck.judging.judge import judge, trial_of
from tests.adapters.support import claimed
from tests.typed.cases import small

X, H, Units = Float[Tensor, "batch time units"], Float[Tensor, "batch units"], Float[Tensor, " units"]


def learned(x: X, start: Units, h0: H | None = None) -> tuple[X, H]:
    h, outputs = start.expand(len(x), -1) if h0 is None else h0, []
    for t in range(x.shape[1]):
        h = 0.5 * h + x[:, t]
        outputs.append(h)
    return torch.stack(outputs, 1), h


def ignored(x: X, start: Units, h0: H | None = None) -> tuple[X, H]:
    """Wrong: it begins from zeros whatever the parameter is."""
    return learned(x, 0 * start, h0)


@pytest.mark.parametrize(("function", "red"), [(learned, False), (ignored, True)], ids=["right", "wrong"])
def test_it_is_trained(function, red):
    subject = claimed(function)
    cases = [case for case in islice(small(subject), 12) if case.training]
    assert cases and any(judge(CATALOG["weights.trainable"], trial_of(subject, case)).red for case in cases) == red
