"""An option that says how many steps come before a call is seen as such where pieces are the whole with it, and carried."""

from itertools import islice

import pytest

from rnncheck.catalog import CATALOG
from rnncheck.judging.judge import IN_PIECES, judge, trial_of
from rnncheck.repro import script
from tests.adapters.support import claimed
from tests.effort import some
from tests.run_script import raised_by
from tests.typed.cases import small
from tests.typed.positions import MISTAKES, RIGHT, in_pairs, retention
from tests.typed.test_mistaken import red

CARRIED = ("cache.pieces", "cache.steps", "cache.gradient", "cache.copied", "cache.fresh")
BESIDE = ("state.used", "state.fresh", "gradient.through_final_state", "batch.alone", "gradient.numerical")


@pytest.mark.parametrize("target", RIGHT, ids=lambda target: target.__name__)
def test_a_position_is_carried_and_nothing_is_red(target):
    subject = claimed(target)
    assert f"; {RIGHT[target]}: how many steps come before the call" in subject.read_as and "never given" not in subject.read_as
    cases = list(islice(small(subject), 4))
    seen = [judge(CATALOG[id], trial_of(subject, case)) for case in cases for id in (*CARRIED, *BESIDE, *IN_PIECES)]
    assert [outcome for outcome in seen if outcome.red or "mistake" in (outcome.reason or "")] == []
    expected = {*CARRIED, *BESIDE} - ({"cache.steps", "gradient.numerical"} if target is in_pairs else set())
    assert {outcome.property for outcome in seen if outcome.status == "holds"} >= expected
    assert all("family cache" in outcome.reason for outcome in seen if outcome.property == "time.split")


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda function: function.__name__)
def test_a_mistake_is_seen(mistake):
    assert red(claimed(mistake), CATALOG[MISTAKES[mistake]]).status == "fails"


@pytest.mark.parametrize("name", some(["within_a_table", "detached"], 1))
def test_the_script_of_a_mistake_fails_and_passes_for_the_right_function(name):
    mistake = next(one for one in MISTAKES if one.__name__ == name)
    subject, prop = claimed(mistake), CATALOG[MISTAKES[mistake]]
    case, outcome = next((case, seen) for case in small(subject) if (seen := judge(prop, trial_of(subject, case))).red)
    text = script(subject, prop, case, outcome)
    assert isinstance(raised_by(text), AssertionError)
    assert raised_by(text.replace(name, retention.__name__)) is None
