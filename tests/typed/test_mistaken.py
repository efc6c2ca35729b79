"""What is wrong with a typed recurrence is seen, within a few cases."""

from dataclasses import replace
from itertools import islice

import pytest

from examples.gated_linear_attention import loop
from rnncheck.adapters.targets.resolve import subjects
from rnncheck.catalog import CATALOG
from rnncheck.core.subject import Claim
from rnncheck.judging.judge import judge, trial_of
from rnncheck.strategies.plan import plan
from tests.adapters.support import claimed
from tests.effort import some
from tests.typed import mistaken_flags
from tests.typed.cases import small
from tests.typed.mistaken import (
    MISTAKES,
    initial_state_detached,
    second_derivative_missing,
    state_lost_at_every_second_edge,
    state_of_one_step_written_into,
)

CASES = 24


@pytest.fixture(scope="module")
def claims():
    """Claims of the right loop, which are those of all its variants."""
    return claimed(loop).claims


def red(subject, prop):
    """The first outcome that is red, of the first cases."""
    cases = islice(small(subject), CASES)
    outcomes = (judge(prop, trial_of(subject, case)) for case in cases)
    return next(outcome for outcome in outcomes if outcome.red)


def test_a_gradient_without_a_gradient_is_seen():
    subject = claimed(second_derivative_missing)
    subject = replace(subject, claims={**subject.claims, "second": Claim(True, "declared")})
    assert red(subject, CATALOG["gradient.second"]).status == "fails"


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda function: function.__name__)
def test_a_mistake_is_seen(mistake, claims):
    (subject,) = subjects(mistake)
    subject = replace(subject, claims=claims)
    assert red(subject, CATALOG[MISTAKES[mistake]]).status == "fails"


@pytest.mark.parametrize("mistake", some(mistaken_flags.MISTAKES, 2), ids=lambda function: function.__name__)
def test_a_mistake_with_claims_of_its_own_is_seen(mistake):
    subject = claimed(mistake)
    assert red(subject, CATALOG[mistaken_flags.MISTAKES[mistake]]).status == "fails"


def test_a_path_for_single_steps_that_writes_into_the_state_is_seen_in_a_case_of_several(claims):
    (subject,) = subjects(state_of_one_step_written_into)
    subject = replace(subject, claims=claims)
    case = next(case for case in small(subject) if case.hx == "random" and case.time > 1 and case.lengths is None)
    assert judge(CATALOG["layout.no_mutation"], trial_of(subject, case)).status == "fails"


def test_one_of_several_states_that_is_not_read_is_warned_of():
    subject = claimed(mistaken_flags.second_state_ignored)
    seen = red(subject, CATALOG["state.used"])
    assert seen.mismatches == ("another state 2 (total), which no step uses, moves a result = False, but should be True",)
    assert "has no effect" in CATALOG["state.used"].warns_of(seen.mismatches)
    assert CATALOG["state.used"].warns_of(("NaN in h_0 moves a result = False, but should be True",)) is None


def test_a_flag_at_the_first_step_is_met_early():
    subject = claimed(mistaken_flags.reset_not_of_the_initial_state)
    given = (case for case in plan(subject, ("float64", "float32"), 2, 0) if case.hx == "random" and case.time > 1 and case.batch)
    assert any(judge(CATALOG["time.reset"], trial_of(subject, case)).red for case in islice(given, 3))


def test_a_first_sequence_without_steps_is_met_in_the_first_case_that_can_tell():
    subject = claimed("tests/typed/mistaken_flags.py:first_without_steps_forgotten")
    case = next(case for case in plan(subject, ("float64",), 2, 0) if case.hx == "random" and case.lengths is not None)
    assert judge(CATALOG["lengths.zero"], trial_of(subject, case)).red


def test_the_first_cases_go_on_from_the_ends_of_two_chunks(claims):
    (subject,) = subjects(state_lost_at_every_second_edge)
    subject = replace(subject, claims=claims)
    cases = islice(plan(subject, ("float64", "float32"), 2, 0), 2)
    assert any(judge(CATALOG["time.split"], trial_of(subject, case)).red for case in cases)


@pytest.mark.parametrize("axis", ["heads", "key", "value"])
def test_the_first_cases_have_each_axis_as_large_as_the_batch(axis, claims):
    (subject,) = subjects(loop)
    cases = islice(plan(replace(subject, claims=claims), ("float64", "float32"), 2, 0), 2)
    assert any(dict(case.config.named.sizes)[axis] == case.batch for case in cases)


def test_the_first_cases_have_a_batch_as_large_as_the_heads_of_a_module():
    subject = claimed("tests/typed/mistaken_flags.py:decays_of_sequences")
    cases = islice(plan(subject, ("float64", "float32"), 2, 0), 2)
    assert any(judge(CATALOG["batch.permute"], trial_of(subject, case)).red for case in cases)


def test_where_no_gradient_reaches_the_state_that_is_said():
    subject = claimed(initial_state_detached)
    assert red(subject, CATALOG["gradient.into_initial_state"]).status == "fails"
    cases = islice(small(subject, ("float64",)), CASES)
    found = [judge(CATALOG["gradient.any_requires_grad"], trial_of(subject, case)) for case in cases if case.hx == "random"]
    assert {outcome.status for outcome in found} == {"holds"}


def test_a_bias_that_is_zero_at_first_is_no_first_state():
    subject = claimed("tests/typed/mistaken_flags.py:BiasWithoutAStateOnly")
    assert "start" not in subject.nature
    assert subject.source is not None and "return BiasWithoutAStateOnly(hidden_size=hidden_size)" in subject.source
