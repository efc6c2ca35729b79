"""Of several arguments with the type of a state, the one that is called one or may be left out is it, or none is guessed."""

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
