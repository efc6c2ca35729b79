"""Further conventions, and further ways to build a layer, are read without a wrapper; a mistake in such a layer is red."""

import pytest

from rnncheck.reading.target import read_target
from tests.effort import some
from tests.reading import more_layers, nested_states, other_ways
from tests.strangers.hunted import kill_of, subject_of

PAIRS = {**more_layers.PAIRS, **nested_states.PAIRS, **other_ways.PAIRS}


@pytest.mark.parametrize("layer", PAIRS, ids=lambda layer: layer.__name__)
def test_what_is_read_is_true(layer):
    assert PAIRS[layer][1] in read_target(layer).words()


@pytest.mark.parametrize("layer", some(PAIRS), ids=lambda layer: layer.__name__)
def test_a_right_layer_is_not_red(layer):
    kill = kill_of(subject_of(layer), cases=4)
    assert kill is None, (kill.prop.id, kill.outcome)


@pytest.mark.parametrize("layer", some(wrong for wrong, _ in PAIRS.values()), ids=lambda layer: layer.__name__)
def test_its_mistake_is_red(layer):
    assert kill_of(subject_of(layer), cases=8) is not None


def test_a_state_by_keyword_alone_is_claimed():
    assert subject_of(other_ways.ByKeyword).offers("hx")


@pytest.mark.parametrize("layer", some(PAIRS), ids=lambda layer: layer.__name__)
def test_a_script_builds_it(layer):
    names = {}
    exec(subject_of(layer).source, names)
    built = names["build"](4, 8)
    inside = built.wrapped() if hasattr(built, "wrapped") else built
    assert layer in map(type, inside.modules())
