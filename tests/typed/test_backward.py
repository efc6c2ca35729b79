"""Recurrences that read a sequence from its end are turned, which calls show, so that pieces and steps go on from the end."""

from itertools import islice

import pytest

from rnncheck.catalog import CATALOG
from rnncheck.judging.judge import judge, trial_of
from rnncheck.judging.shrink import shrink
from rnncheck.repro.brief import brief_calls
from rnncheck.repro.script import script
from tests.adapters.support import claimed
from tests.run_script import raised_by
from tests.typed import backward
from tests.typed.backward import MISTAKES, RIGHT
from tests.typed.cases import small
from tests.typed.test_mistaken import red

TELLING = ("time.split", "time.prefill", "time.step_by_step", "time.causal", "lengths.each_alone", "lengths.zero", "state.used",
           "gradient.split", "batch.alone", "layout.no_mutation")  # fmt: skip


def outcomes_of(subject, names):
    cases = list(islice(small(subject), 8))
    return [judge(CATALOG[name], trial_of(subject, case)) for case in cases for name in names]


@pytest.mark.parametrize("function", RIGHT, ids=lambda function: function.__name__)
def test_nothing_is_red_where_it_is_right(function):
    subject = claimed(f"tests/typed/backward.py:{function.__name__}")
    assert "sequences are read from their end" in subject.read_as
    outcomes = outcomes_of(subject, TELLING)
    assert [outcome for outcome in outcomes if outcome.red] == []
    assert sum(outcome.status == "holds" for outcome in outcomes) > 30


def test_what_rounding_spreads_depends_on_nothing():
    assert "sequences are read from their end" in claimed("tests/typed/backward.py:by_fourier").read_as


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda function: function.__name__)
def test_a_mistake_is_seen(mistake):
    assert red(claimed(mistake), CATALOG[MISTAKES[mistake]]).status == "fails"


def test_it_is_said_with_which_options():
    said = [claimed(function).read_as.rpartition("; ")[2] for function in RIGHT[:3]]
    assert said == [f"sequences are read from their end{when}" for when in (
        " where reverse is True", "", " where direction is 'backward'")]  # fmt: skip
    assert "from their end" not in claimed(backward.option_ignored).read_as


@pytest.mark.parametrize("function, agrees", [(backward.from_the_end, True), (backward.option_ignored, False)])
def test_a_reference_is_turned_as_the_target_is(function, agrees):
    outcomes = outcomes_of(claimed(function, against=backward.from_the_end), ("agree.against",))
    assert any(outcome.red for outcome in outcomes) != agrees
    wrong = claimed(backward.from_the_end, against=backward.option_ignored)
    assert any(outcome.red for outcome in outcomes_of(wrong, ("agree.against",)))


def test_a_reference_of_one_direction_is_one_of_both():
    outcomes = outcomes_of(claimed(backward.from_the_end, against="tests/typed/backward.py:plain"), ("agree.against",))
    assert [outcome for outcome in outcomes if outcome.red] == []


def test_the_calls_shown_are_those_of_the_function():
    subject, prop = claimed("tests/typed/backward.py:state_of_the_last_step"), CATALOG["time.split"]

    def fails(case):
        return judge(prop, trial_of(subject, case)).status == "fails"

    case = shrink(next(case for case in small(subject) if fails(case)), fails).case
    text = script(subject, prop, case, judge(prop, trial_of(subject, case)))
    assert isinstance(raised_by(text), AssertionError)
    assert raised_by(text.replace("state_of_the_last_step", "from_the_end")) is None
    assert "state_of_the_last_step(x=x_1" in text and brief_calls(subject, prop, case)


def test_outputs_of_both_directions_are_not_asked_for_one():
    subject = claimed(backward.both_ways)
    assert subject.read_as.endswith("; its outputs are of two directions")
    outcomes = outcomes_of(subject, (*TELLING, "state.default_is_zero", "gradient.numerical"))
    assert [outcome for outcome in outcomes if outcome.red] == []
    assert {outcome.property for outcome in outcomes if outcome.reason == "some outputs are of the other direction"} > {
        "time.split"
    }
    assert red(claimed(backward.next_step_in_one_of_two), CATALOG["time.causal"]).status == "fails"
