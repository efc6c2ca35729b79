"""Models of tutorials and applications are read without a wrapper, right ones hold, and a mistake in one is red."""

import pytest

from rnncheck.reading.target import read_target
from tests.effort import some
from tests.reading.applications import MODELS, AutoencoderOfTheMean
from tests.strangers.hunted import kill_of, subject_of


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_what_is_read_is_true(model):
    assert MODELS[model][1] in read_target(model).words()


@pytest.mark.parametrize("model", some(MODELS), ids=lambda model: model.__name__)
def test_a_right_model_is_not_red(model):
    kill = kill_of(subject_of(model), cases=4)
    assert kill is None, (kill.prop.id, kill.outcome)


@pytest.mark.parametrize("wrong", some(one for wrong, _ in MODELS.values() for one in wrong), ids=lambda model: model.__name__)
def test_its_mistakes_are_red(wrong):
    assert kill_of(subject_of(wrong), cases=8) is not None


@pytest.mark.parametrize("model", some(MODELS), ids=lambda model: model.__name__)
def test_a_script_builds_it(model):
    names = {}
    exec(subject_of(model).source, names)
    built = names["build"](4, 7)
    inside = built.wrapped() if hasattr(built, "wrapped") else built
    assert model in map(type, inside.modules())


class SaidToDecode(AutoencoderOfTheMean):
    rnncheck_read = {"decoded": True}


def test_a_decoder_that_is_not_found_may_be_said():
    assert kill_of(subject_of(AutoencoderOfTheMean), cases=4) is not None
    assert "decodes a summary of the whole sequence" in subject_of(SaidToDecode).read_as
    assert kill_of(subject_of(SaidToDecode), cases=4) is None
