"""Bugs planted in recurrences of one's own are found on the cases of the ``ci`` profile, and right forms stay clean."""

from functools import cache

import pytest

from rnncheck.catalog import CATALOG, agree_beside
from rnncheck.running.tolerance import budget_of, gradient_budget_of
from tests.adapters.support import claimed
from tests.catalog.support import all_complaints, outcomes
from tests.effort import at_night, some
from tests.mutants.search import first_kill
from tests.recurrences.base import FORMS, DeltaRule, MinGRU
from tests.recurrences.planted import PLANTED

RIGHT = [(form, loop) for loop, others in FORMS.items() for form in (loop, *others)]
LOOKED_AT = (
    "time.split", "time.step_by_step", "time.prefill", "time.same_weights", "batch.alone", "batch.permute", "batch.poisoned",
    "state.default_is_zero", "state.fresh", "layout.fresh_memory", "layout.no_mutation", "layout.no_alias", "layout.strides",
    "gradient.through_final_state", "gradient.into_initial_state", "gradient.numerical", "gradient.every_output",
    "mode.repeatable", "life.machine", "agree.against",
)  # fmt: skip


@cache
def found(target, against=None):
    return claimed(target) if against is None else claimed(target, against=against)


@pytest.mark.parametrize("name", some(PLANTED, 6))
def test_a_bug_is_found(name):
    planted = PLANTED[name]
    subject = found(planted.target, planted.against)
    kill = first_kill(subject, among=tuple(glob for glob in planted.kills if glob != "agree.against" or planted.against))
    assert kill is not None, planted.kills


@pytest.mark.parametrize(("form", "loop"), some(RIGHT, 6), ids=lambda kind: kind.__name__)
def test_a_right_form_is_clean(form, loop, monkeypatch):
    monkeypatch.setattr(agree_beside, "least_budget_of", budget_of)
    monkeypatch.setattr(agree_beside, "least_gradient_budget_of", gradient_budget_of)  # so that what is measured is used each time
    ids = [id for id in LOOKED_AT if id != "agree.against"]
    assert all_complaints(ids, found(form, loop), at_night(20, 3)) == []
    seen = [outcome for _, outcome in outcomes(CATALOG["agree.against"], found(form, loop), at_night(20, 2))]
    assert [outcome.status for outcome in seen] == ["holds"] * len(seen) and max(o.budget_used for o in seen) < 0.5


def test_parameters_that_cannot_be_matched_are_told():
    subject = found(MinGRU, DeltaRule)
    (_, outcome), *_ = _judged_anyway(subject)
    assert outcome.status == "not_claimed" and "give both the same parameter names and shapes" in outcome.reason


def _judged_anyway(subject):
    from rnncheck.judging.judge import judge
    from rnncheck.running.trial import Trial
    from tests.catalog.support import planned

    cases = (case for case in planned(subject) if not case.dropout_active)
    return [(case, judge(CATALOG["agree.against"], Trial(subject, case))) for case, _ in zip(cases, range(1), strict=False)]
