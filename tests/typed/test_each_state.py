"""One of several states that no step changes is warned of, and the first line says where one does not come back."""

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
Two = tuple[H, H]
SLOWLY = 7


def summed(x: X, state: Two | None, every: int) -> tuple[X, Two]:
    zero = torch.zeros_like(x[:, 0])
    (h, slow), outputs = (zero, zero) if state is None else state, []
    for t in range(x.shape[1]):
        h = 0.5 * h + x[:, t] + slow.tanh()
        slow = h if every and t % every == every - 1 else slow
        outputs.append(h)
    return torch.stack(outputs, 1), (h, slow)


def both(x: X, state: Two | None = None) -> tuple[X, Two]:
    return summed(x, state, 1)


def rarely(x: X, state: Two | None = None) -> tuple[X, Two]:
    return summed(x, state, SLOWLY)


def one_stays(x: X, state: Two | None = None) -> tuple[X, Two]:
    """The second is used, and never written."""
    return summed(x, state, 0)


@pytest.mark.parametrize(("function", "warned"), [(both, False), (rarely, False), (one_stays, True)])
def test_a_state_that_stays_is_warned_of(function, warned):
    subject = claimed(function)
    outcomes = [judge(CATALOG["state.moves"], trial_of(subject, case)) for case in islice(small(subject), 12)]
    red = [CATALOG["state.moves"].warns_of(outcome.mismatches) for outcome in outcomes if outcome.red]
    assert red and all(red) if warned else red == []


def not_returned(x: X, state: H | None = None) -> X:
    return summed(x, None if state is None else (state, state), 1)[0]


def test_a_state_that_does_not_come_back_is_named():
    assert subjects(not_returned)[0].read_as == "x: sequences; state: state (units), which no result gives back"
