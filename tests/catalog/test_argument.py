"""argument.*: what each property catches, and what it lets through."""

import pytest

from rnncheck.catalog import CATALOG, select
from tests.adapters.test_probe import claimed
from tests.catalog.support import complaints, killed, outcomes
from tests.effort import some
from tests.strangers import mistaken_arguments
from tests.strangers.mistaken_arguments import MISTAKES, RIGHT

KILLS = {
    "argument.rows": "TimesOfTheFirstRow",
    "argument.steps": "TimesOfTheNextStep",
    "argument.causal": "FilledFromTheNext",
    "argument.used": "TimesOfTheFirstStep",
    "argument.resets": "ALittleIsKept",
}
MORE = {
    "AllBeginAnew": "argument.rows", "OneStepGoesOn": "argument.resets", "SeveralStepsGoOn": "argument.resets",
    "OutputIsCleared": "argument.resets", "ActionsOfNoRow": "argument.rows",
}  # fmt: skip
READ = {
    "Episodes": "beside it dones, the state is forgotten before such a step",
    "BeganAfter": "beside it dones, the state is forgotten after such a step",
    "Continues": "beside it masks, the state is forgotten before such a step",
    "WithTimes": "beside it dt",
    "WithGaps": "beside it seen",
    "WithActions": "beside it actions; is_first, the state is forgotten before such a step",
}


@pytest.mark.parametrize(("prop", "mistake"), [*KILLS.items(), *((prop, mistake) for mistake, prop in MORE.items())])
def test_a_mistake_is_found(prop, mistake):
    _, outcome = killed(CATALOG[prop], claimed(getattr(mistaken_arguments, mistake)), 6)
    assert outcome.status == "fails"


def test_every_mistake_is_found_by_one_of_them():
    assert {one.__name__ for one in MISTAKES} == {*KILLS.values(), *MORE}


@pytest.mark.parametrize("right", some(RIGHT, 2))
def test_a_right_layer_is_clean(right):
    subject = claimed(right)
    assert READ[right.__name__] in subject.read_as
    for prop in select("argument.*"):
        assert complaints(prop, subject, 4) == []
        said = prop.id != "argument.resets" or right.__name__ not in ("WithTimes", "WithGaps")
        assert ("holds" in {outcome.status for _, outcome in outcomes(prop, subject, 4)}) == said


def test_of_a_layer_without_further_arguments_nothing_is_said():
    subject = claimed(mistaken_arguments.nn.GRU)
    assert [list(outcomes(prop, subject, 1)) for prop in select("argument.rows,argument.steps")] == [[], []]
