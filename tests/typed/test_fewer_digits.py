"""A recurrence may compute in float32 whatever its data is: derivatives and references allow for it. In fewer digits it may not."""

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


def beside_the_reference(name, reference="in_full"):
    here = "tests/typed/fewer_digits.py"
    subject = claimed(f"{here}:{name}", against=f"{here}:{reference}")
    return [judge(CATALOG["agree.against"], trial_of(subject, case)) for case in islice(small(subject), 6)]


def test_a_state_in_float32_agrees_with_one_in_full():
    assert {outcome.status for outcome in beside_the_reference("kept_in_float32")} == {"holds"}


@pytest.mark.parametrize(("name", "said"), [("kept_in_bfloat16", "output: "), ("graded_in_bfloat16", "gradient of ")])
def test_a_state_or_a_gradient_in_fewer_digits_than_the_data_does_not(name, said):
    """What is rounded to bfloat16 scatters by so much that anything was allowed."""
    assert any(said in line for outcome in beside_the_reference(name) if outcome.red for line in outcome.mismatches)


def test_a_reference_may_be_as_coarse():
    assert {outcome.status for outcome in beside_the_reference("in_full", "kept_in_bfloat16")} == {"holds", "not_applicable"}


@pytest.mark.parametrize(("name", "warned"), [("in_full", False), ("kept_in_float32", False), ("kept_in_bfloat16", True)])
def test_results_of_fewer_digits_are_warned_of(name, warned):
    digits = CATALOG["numeric.digits"]
    seen = [outcome for outcome in judged(name, digits.id) if outcome.red]
    assert all(digits.warns_of(outcome.mismatches) for outcome in seen) and bool(seen) == warned
