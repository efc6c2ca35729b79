"""The script of a failing recurrence of one's own, and of a property that is new, fails by itself."""

from dataclasses import replace

import pytest

from rnncheck.catalog import CATALOG
from rnncheck.judging.judge import judge, trial_of
from rnncheck.repro import script
from tests.adapters.support import claimed
from tests.catalog.support import claiming, killed, subject_of
from tests.effort import some
from tests.mutants import EXTRA, MUTANTS
from tests.recurrences.planted import PLANTED
from tests.recurrences.test_forms import (
    FormWithoutGradient,
    FormWithoutState,
    LikeTorchs,
    RightByOption,
    Typed,
    WithForms,
    WrongByOption,
    WrongLikeTorchs,
    WrongTyped,
)
from tests.run_script import raised_by

NEW = {
    "time.prefill": "state-not-carried",
    "layout.fresh_memory": "own-zeroed-by-product",
    "gradient.through_final_state": "own-final-cell-gradient-dropped",
    "gradient.into_initial_state": "chunk-size-gradient",
    "weights.as_new": "own-weights-cached",
}
CLAIMED = {"time.in_pieces": ("in_pieces", "own-rounds-by-time"), "batch.invariant": ("batch_invariant", "own-rounds-by-batch")}
OF_THEIR_OWN = {
    "StabiliserNotCarried": "time.prefill",
    "StateOfFreshMemory": "layout.fresh_memory",
    "GateGradientWithoutFinalState": "gradient.through_final_state",
    "KernelKeptFromTheFirstCall": "weights.as_new",
    "BetaWithoutGradient": "agree.against",
}

RIGHT_FORMS = {
    FormWithoutState: WithForms, FormWithoutGradient: WithForms, WrongByOption: RightByOption, WrongTyped: Typed,
    WrongLikeTorchs: LikeTorchs,
}  # fmt: skip


def script_of(id, subject):
    prop = CATALOG[id]
    case, _ = killed(prop, subject)
    return script(subject, prop, case, judge(prop, trial_of(subject, case)))


@pytest.mark.parametrize("id", some([*NEW, *CLAIMED]))
def test_it_fails_by_itself_and_passes_once_mended(id):
    feature, bug = CLAIMED.get(id) or (None, NEW[id])
    mutant = MUTANTS.get(bug) or EXTRA[bug]
    subject = subject_of(mutant) if feature is None else claiming(feature, mutant)
    text = script_of(id, replace(subject, source="build = MUTANT"))
    assert isinstance(raised_by(text, MUTANT=mutant.target), AssertionError)
    if id != "batch.invariant":  # its clean twin rounds by the batch, too
        assert raised_by(text, MUTANT=mutant.clean) is None


@pytest.mark.parametrize("name", some(OF_THEIR_OWN))
def test_that_of_a_recurrence_of_its_own_fails_by_itself(name):
    planted = PLANTED[name]
    subject = claimed(planted.target, against=planted.against) if planted.against else claimed(planted.target)
    assert isinstance(raised_by(script_of(OF_THEIR_OWN[name], subject)), AssertionError)


@pytest.mark.parametrize("form", some(RIGHT_FORMS))
def test_that_of_a_wrong_form_fails_by_itself_and_passes_with_a_right_one(form):
    text = script_of("agree.forms", claimed(form))
    assert isinstance(raised_by(text, MUTANT=None), AssertionError)
    assert raised_by(text.replace(form.__name__, RIGHT_FORMS[form].__name__)) is None
