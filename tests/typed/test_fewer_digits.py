"""Differences are taken over a wider step where a recurrence rounds some of its values to float32 on the way."""

from itertools import islice

import pytest

from rnncheck.catalog import CATALOG
from rnncheck.judging.judge import judge, trial_of
from tests.adapters.support import claimed
from tests.typed.cases import small

DIFFERENTIATE = ("gradient.numerical", "gradient.second", "gradient.through_final_state")


def judged(name, prop):
    subject = claimed(f"tests/typed/fewer_digits.py:{name}")
    return [judge(CATALOG[prop], trial_of(subject, case)) for case in islice(small(subject), 12)]


@pytest.mark.parametrize("prop", DIFFERENTIATE)
@pytest.mark.parametrize("name", ["of_a_gate", "OfARate"])
def test_right_gradients_are_slopes(name, prop):
    seen = judged(name, prop)
    assert not any(outcome.red for outcome in seen) and sum(outcome.status == "holds" for outcome in seen) > 4


def test_a_wrong_gradient_is_seen():
    assert any(outcome.red for outcome in judged("with_a_wrong_gradient", "gradient.numerical"))
