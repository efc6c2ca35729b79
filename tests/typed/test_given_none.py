"""An argument that may be None and has no default is given and not given, as one with a default is."""

from itertools import islice

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from rnncheck.adapters.targets.resolve import subjects
from rnncheck.catalog import CATALOG
from rnncheck.judging.judge import judge, trial_of
from tests.adapters.support import claimed
from tests.typed.cases import small

X, H = Float[Tensor, "batch time units"], Float[Tensor, "batch units"]


def without_defaults(x: X, gate: X | None, scale: float | None, h0: H | None) -> tuple[X, H]:
    h, outputs = torch.zeros_like(x[:, 0]) if h0 is None else h0, []
    for t in range(x.shape[1]):
        h = (0.5 if gate is None else torch.sigmoid(gate[:, t])) * h + x[:, t] * (1 if scale is None else scale)
        outputs.append(h)
    return torch.stack(outputs, 1), h.clone()


def from_ones(x: X, gate: X | None, scale: float | None, h0: H | None) -> tuple[X, H]:
    return without_defaults(x, gate, scale, torch.ones_like(x[:, 0]) if h0 is None else h0)


def untyped(x, h0):
    return without_defaults(x, None, None, h0)


def stub(x: X, h0: H | None = None) -> tuple[X, H]: ...


def stub_of_all(x: X, gate: X | None, scale: float | None, h0: H | None) -> tuple[X, H]: ...


def cases(target, typed=None):
    subject = claimed(target, typed=typed)
    return [trial_of(subject, case) for case in islice(small(subject), 12)]


@pytest.mark.parametrize(("target", "typed"), [(without_defaults, None), (untyped, stub), (without_defaults, stub_of_all)])
def test_it_is_left_out_as_none(target, typed):
    trials = cases(target, typed)
    assert {trial.case.hx == "none" for trial in trials} == {True, False}
    for prop in ("shape.output", "state.default_is_zero", "state.used", "time.split"):
        seen = [judge(CATALOG[prop], trial) for trial in trials]
        assert not any(one.red for one in seen) and any(one.status == "holds" for one in seen)


def test_what_none_stands_for_is_looked_at():
    assert any(judge(CATALOG["state.default_is_zero"], trial).red for trial in cases(from_ones))


def test_what_is_left_out_is_said():
    (subject,) = subjects(without_defaults)
    assert "gate: option given, left out" in subject.read_as and subject.read_as.endswith("scale: never given")
