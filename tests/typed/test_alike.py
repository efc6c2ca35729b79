"""Where several arguments have the type of a state, names and defaults tell which one is the state; else one line asks."""

import pytest

import rnncheck
from rnncheck.adapters.targets.resolve import subjects


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("left_out", "x: sequences; level -> second result: state (units); decay: parameters"),
        ("short", "x: sequences; h -> second result: state (units); decay: parameters"),
        ("beside_a_speaker", "h -> second result: state (units)"),
    ],
)
def test_the_state_is_told_from_what_has_its_type(name, words):
    assert words in subjects(f"tests/typed/alike.py:{name}")[0].read_as


def test_what_cannot_be_told_apart_is_asked_for():
    with pytest.raises(rnncheck.UsageError, match=r"say which: level: Annotated\[…, rnncheck.State\(\)\]") as told:
        subjects("tests/typed/alike.py:not_told_apart")
    assert "decay and level have the axes (units) of a result" in str(told.value) and "\n" not in str(told.value)
