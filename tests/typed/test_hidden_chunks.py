"""Ends of chunks and levels of scans that no option tells are met in the first cases."""

from itertools import islice

import pytest

from examples.gated_linear_attention import chunked
from rnncheck.campaign.tally import too_large
from rnncheck.catalog import CATALOG
from rnncheck.judging.judge import judge, out_of_claim, trial_of
from rnncheck.strategies.cliffs import is_large
from rnncheck.strategies.plan import plan
from tests.adapters.support import claimed
from tests.typed.hidden_chunks import MISTAKES, RIGHT

FIRST = 3
"""Cases of the plan, of which one is long."""
TELLING = ("time.prefill", "time.step_by_step", "gradient.split", "cache.steps", "cache.gradient", "batch.alone")


def judged(function, names):
    """The outcomes of these properties on the first cases that they are for, and which cases these are."""
    props = [CATALOG[name] for name in names]
    subject = claimed(function)
    cases = list(islice(plan(subject, ("float64", "float32"), 2, 0), FIRST))
    checks = [(trial_of(subject, case), prop) for case in cases for prop in props if not too_large(prop, case)]
    checks = [(trial, prop) for trial, prop in checks if out_of_claim(prop, subject, trial.case) is None]
    return [judge(prop, trial) for trial, prop in checks], cases


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda function: function.__name__)
def test_a_mistake_is_seen_in_the_first_cases(mistake):
    assert any(outcome.status == "fails" for outcome in judged(mistake, [MISTAKES[mistake]])[0])


@pytest.mark.parametrize("function", RIGHT, ids=lambda function: function.__name__)
def test_nothing_is_red_where_it_is_right(function):
    outcomes, cases = judged(function, TELLING)
    assert [outcome for outcome in outcomes if outcome.red] == []
    assert sum(map(is_large, cases)) == 1 and sum(outcome.status == "holds" for outcome in outcomes) > FIRST


def test_where_an_option_is_the_size_of_a_chunk_its_ends_are_met_without_a_long_case():
    subject = claimed(chunked)
    assert not any(map(is_large, islice(plan(subject, ("float64", "float32"), 2, 0), 12)))
