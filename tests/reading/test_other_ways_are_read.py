"""Further ways to build and to call a layer are read without a wrapper, and a mistake in such a layer is red."""

import pytest

from rnncheck.reading.target import read_target
from tests.reading.other_ways import PAIRS, ByKeyword
from tests.strangers.hunted import kill_of, subject_of


@pytest.mark.parametrize("layer", PAIRS, ids=lambda layer: layer.__name__)
def test_what_is_read_is_true(layer):
    assert PAIRS[layer][1] in read_target(layer).words()


@pytest.mark.parametrize("layer", PAIRS, ids=lambda layer: layer.__name__)
def test_a_right_layer_is_not_red(layer):
    kill = kill_of(subject_of(layer), cases=4)
    assert kill is None, (kill.prop.id, kill.outcome)


@pytest.mark.parametrize("layer", [wrong for wrong, _ in PAIRS.values()], ids=lambda layer: layer.__name__)
def test_its_mistake_is_red(layer):
    assert kill_of(subject_of(layer), cases=8) is not None


def test_a_state_by_keyword_alone_is_claimed():
    assert subject_of(ByKeyword).offers("hx")


@pytest.mark.parametrize("layer", PAIRS, ids=lambda layer: layer.__name__)
def test_a_script_builds_it(layer):
    names = {}
    exec(subject_of(layer).source, names)
    assert layer in map(type, names["build"](4, 7).modules())
