"""Layers of research code are read without a wrapper, and right ones are not red; mistakes in them are."""

import pytest

from rnncheck.reading.target import read_target
from tests.effort import some
from tests.strangers.hunted import kill_of, subject_of

from .research_layers import RESEARCH


@pytest.mark.parametrize("layer", RESEARCH, ids=lambda layer: layer.__name__)
def test_what_is_read_is_true(layer):
    assert RESEARCH[layer][0] in read_target(layer).words()


@pytest.mark.parametrize("layer", some(RESEARCH), ids=lambda layer: layer.__name__)
def test_a_right_layer_is_not_red(layer):
    kill = kill_of(subject_of(layer), cases=4)
    assert kill is None, (kill.prop.id, kill.outcome)


@pytest.mark.parametrize(
    "layer", some(wrong for _, *wrongs in RESEARCH.values() for wrong in wrongs), ids=lambda layer: layer.__name__
)
def test_its_mistake_is_red(layer):
    assert kill_of(subject_of(layer), cases=8) is not None
