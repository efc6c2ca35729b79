"""A recurrence that factorizes a matrix may refuse NaN and huge numbers, and no others."""

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from rnncheck.catalog import CATALOG
from rnncheck.core.case import Case
from rnncheck.judging.judge import judge, trial_of
from tests.adapters.support import claimed
from tests.typed.cases import small

X, Root = Float[Tensor, "batch time units"], Float[Tensor, "batch units units"]


def factorized(x: X, root: Root | None, less: float) -> tuple[X, Root]:
    eye = torch.eye(x.shape[2], dtype=x.dtype, device=x.device)
    root, outputs = eye.expand(len(x), *eye.shape) if root is None else root, []
    for t in range(x.shape[1]):
        seen = x[:, t, :, None] * x[:, t, None, :]
        root = torch.linalg.cholesky(0.5 * root @ root.mT + seen + (1 - less) * eye)
        outputs.append((root.mT @ x[:, t, :, None]).squeeze(-1))
    return torch.stack(outputs, 1), root


def covariance(x: X, root: Root | None = None) -> tuple[X, Root]:
    return factorized(x, root, 0.0)


def not_positive(x: X, root: Root | None = None) -> tuple[X, Root]:
    """Wrong: more is taken off the diagonal than is there."""
    return factorized(x, root, 0.0 if root is None else 3.0)


def outcomes(function, name):
    subject = claimed(function)
    cases = small(subject)
    judged = []
    while len(judged) < 4:
        case = next(cases)
        assert isinstance(case, Case)
        if case.batch is not None and case.batch > 1 and case.time > 1:
            judged.append(judge(CATALOG[name], trial_of(subject, case)))
    return judged


def test_nan_may_be_refused():
    found = outcomes(covariance, "batch.poisoned")
    assert {outcome.status for outcome in found} == {"not_claimed"}
    assert "cannot factorize" in (found[0].reason or "")


@pytest.mark.parametrize(("function", "red"), [(covariance, False), (not_positive, True)], ids=["right", "wrong"])
def test_other_numbers_may_not(function, red):
    assert any(outcome.red for outcome in outcomes(function, "time.split")) == red


def test_a_state_of_nan_that_is_refused_is_one_that_is_used():
    assert {outcome.status for outcome in outcomes(covariance, "state.used")} == {"holds"}
