"""A state whose type says float32 is given and comes back in it, beside input of fewer or of more digits."""

from itertools import islice

import pytest
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from rnncheck.catalog import CATALOG
from rnncheck.judging.judge import judge, trial_of
from tests.adapters.support import claimed
from tests.typed.cases import small

X, H = Float[Tensor, "batch time units"], Float32[Tensor, "batch units"]


def kept_in_float32(x: X, log_decay: Float32[Tensor, " units"], h0: H | None = None) -> tuple[X, H]:
    """The state has fewer digits than the outputs in float64; input of few digits it does not take."""
    h, outputs = torch.zeros_like(x[:, 0], dtype=torch.float32) if h0 is None else h0, []
    assert h.element_size() >= 4 and log_decay.element_size() >= 4
    for t in range(x.shape[1]):
        h = (torch.exp(-log_decay.abs()) * h + x[:, t]).float()
        outputs.append(h.to(x.dtype))
    return torch.stack(outputs, 1), h


def said_to_be_as_the_input(x: X, h0: Float[Tensor, "batch units"] | None = None) -> tuple[X, Float[Tensor, "batch units"]]:
    """Wrong: its type says that the state has the input's dtype."""
    return kept_in_float32(x, torch.zeros(x.shape[2]), h0 if h0 is None else h0.float())


@pytest.mark.parametrize(("function", "red"), [(kept_in_float32, False), (said_to_be_as_the_input, True)], ids=["right", "wrong"])
def test_its_own_type_is_what_counts(function, red):
    subject = claimed(function)
    cases = list(islice(small(subject, ("float64", "bfloat16", "float32")), 9))
    dtypes = {case.dtype for case in cases if subject.refuses(case) is None}
    assert dtypes == {"bfloat16", "float32"} | ({"float64"} if red else set())
    assert red or "no more digits than float32" in subject.claims["float64"].why
    names = ("shape.dtype_device", "time.split", "time.step_by_step", "state.used", "gradient.split")
    checks = [(CATALOG[name], case) for case in cases for name in names if subject.refuses(case) is None]
    seen = [judge(prop, trial_of(subject, case)) for prop, case in checks]
    assert {one.property for one in seen if one.red} == ({"shape.dtype_device"} if red else set())
    assert any(one.status == "holds" for one in seen)
