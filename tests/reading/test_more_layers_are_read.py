"""Further conventions, and further ways to build a layer, are read without a wrapper; a mistake in such a layer is red."""

import pytest

import rnncheck
from rnncheck.reading.target import read_target
from tests.effort import some
from tests.reading import (
    applications,
    courses,
    decoders,
    hyperparameters,
    images,
    more_layers,
    nested_states,
    other_ways,
    public_layers,
    research_layers,
    tutorials,
)
from tests.strangers.hunted import kill_of, subject_of

TABLES = (
    more_layers,
    nested_states,
    other_ways,
    applications,
    research_layers,
    tutorials,
    courses,
    public_layers,
    images,
    hyperparameters,
    decoders,
)
LAYERS = {layer: told for table in TABLES for layer, told in table.LAYERS.items()}
MISTAKES = [wrong for _, *wrongs in LAYERS.values() for wrong in wrongs]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.__name__)
def test_what_is_read_is_true(layer):
    words, *_ = LAYERS[layer]
    assert words in read_target(layer).words()


@pytest.mark.parametrize("layer", some(LAYERS), ids=lambda layer: layer.__name__)
def test_a_right_layer_is_not_red(layer):
    kill = kill_of(subject_of(layer), cases=4)
    assert kill is None, (kill.prop.id, kill.outcome)


@pytest.mark.parametrize("layer", some(MISTAKES), ids=lambda layer: layer.__name__)
def test_its_mistakes_are_red(layer):
    assert kill_of(subject_of(layer), cases=8) is not None


@pytest.mark.parametrize("layer", some(LAYERS), ids=lambda layer: layer.__name__)
def test_a_script_builds_it(layer):
    names = {}
    exec(subject_of(layer).source, names)
    built = names["build"](4, 8)
    inside = built.wrapped() if hasattr(built, "wrapped") else built
    assert layer in map(type, inside.modules())


def test_a_state_by_keyword_alone_is_claimed():
    assert subject_of(other_ways.ByKeyword).offers("hx")


class SaidToDecode(applications.AutoencoderOfTheMean):
    rnncheck_read = {"decoded": True}


def test_a_decoder_that_is_not_found_may_be_said():
    assert kill_of(subject_of(applications.AutoencoderOfTheMean), cases=4) is not None
    assert "decodes a summary of the whole sequence" in subject_of(SaidToDecode).read_as
    assert kill_of(subject_of(SaidToDecode), cases=4) is None


def test_several_layers_that_are_not_looked_at_are_told():
    assert "several layers, with which its state has another structure" in subject_of(tutorials.GivesTheLastState).not_looked_at


def test_dropout_that_acts_elsewhere_too_is_told():
    subject = subject_of(tutorials.DropsWords)
    assert not subject.offers("dropout") and "what dropout does in training" in subject.not_looked_at


def test_an_unused_part_of_a_state_is_warned_of():
    (judged,) = rnncheck.verify(tutorials.GatesOfTheCell, properties="state.used", engine="inline", max_examples=4).subjects
    assert [(one.verdict, one.red) for one in judged.verdicts] == [("warns", False)]


def test_squeeze_is_named():
    (judged,) = rnncheck.verify(tutorials.Squeezed, properties="batch.alone", engine="inline", max_examples=8).subjects
    (cause,) = judged.causes
    assert "squeeze() takes off every axis of size 1" in cause.headline


def test_what_is_not_looked_at_does_not_hide_torch_s_parameters():
    assert subject_of(hyperparameters.Scored).offers("load")


def test_a_state_that_is_positive_is_given_no_other_numbers():
    assert kill_of(subject_of(courses.AskedForItsState), cases=4, by="numeric.extreme,numeric.extreme_gradient") is None


def test_a_call_may_draw_from_python_s_random_numbers_and_not_seed_them():
    assert kill_of(subject_of(decoders.ForcedAtTimes), cases=2, by="mode.settings") is None
    assert kill_of(subject_of(decoders.ForcedAtOneSeed), cases=2, by="mode.settings") is not None
