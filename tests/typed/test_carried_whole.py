"""A state with parts that are no tensors with axes, such as counters and lists, is carried as a cache is, and told."""

from itertools import islice
from typing import Annotated, NamedTuple

import pytest
from jaxtyping import Float
from torch import Tensor

from rnncheck.adapters.targets.resolve import subjects
from rnncheck.catalog import CATALOG
from rnncheck.errors import UsageError
from rnncheck.judging.judge import judge, trial_of
from rnncheck.reading.typed.markers import State
from tests.adapters.support import claimed
from tests.typed.carried_whole import MISTAKES, RIGHT, H, Turned, X, counter, stacked, windowed
from tests.typed.cases import only_the_mistake_fails, small

ASKED = ("cache.pieces", "cache.steps", "cache.gradient", "cache.copied", "cache.fresh")


@pytest.mark.parametrize("target", RIGHT, ids=lambda target: target.__name__)
def test_what_is_right_is_carried_and_clean(target):
    subject = claimed(target)
    assert subject.read_as.endswith(": a cache that is carried and not read")
    ids = (*ASKED, "shape.output", "batch.alone", "time.causal", "gradient.numerical")
    seen = [judge(CATALOG[id], trial_of(subject, case)) for case in islice(small(subject), 3) for id in ids]
    assert [outcome for outcome in seen if outcome.red or "mistake" in (outcome.reason or "")] == []
    assert {outcome.property for outcome in seen if outcome.status == "holds"} >= {*ASKED}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda function: function.__name__)
def test_a_mistake_is_seen(mistake):
    subject, prop = claimed(mistake), CATALOG[MISTAKES[mistake]]
    assert "fails" in {judge(prop, trial_of(subject, case)).status for case in islice(small(subject), 6)}


MENDED = {"counted_twice": counter, "window_lost": windowed, "one_forgotten": stacked}


@pytest.mark.parametrize("name", MENDED)
def test_the_script_of_a_mistake_fails_and_passes_for_the_right_function(name):
    mistake = next(one for one in MISTAKES if one.__name__ == name)
    assert only_the_mistake_fails(mistake, MENDED[name], MISTAKES[mistake])


def begun(batch: int, units: int) -> Turned: ...
def made_by(x: X, state: Annotated[Turned, State(new=begun)] | None = None) -> tuple[X, Turned]: ...


def test_what_makes_the_first_one_is_what_is_said():
    assert subjects(made_by)[0].build.roles.cache.new is begun


def needed(x: X, state: Turned) -> tuple[X, Turned]: ...
def lists(x: X, states: list[H]) -> tuple[X, list[H]]: ...
def kept_back(x: X, state: Turned | None = None) -> X: ...


@pytest.mark.parametrize(
    ("function", "words"), [(needed, "no tensors with axes (pos)"), (lists, "list of any length"), (kept_back, "return its type")]
)
def test_what_does_not_begin_as_none_or_come_back_is_refused(function, words):
    with pytest.raises(UsageError, match="let it be None at first and return its type") as told:
        subjects(function)
    assert words in str(told.value) and "\n" not in str(told.value)


class Pair(NamedTuple):
    h: H
    loss: float


def class_of_its_own(x: X, state: "Plain | None" = None) -> "tuple[X, Plain]": ...
def tensors_without_axes(x: X, mask: Tensor | None = None) -> tuple[X, Tensor]: ...


class Plain:
    """Says nothing of what is in it."""


def test_a_class_that_comes_back_is_carried_and_a_tensor_without_axes_is_not():
    assert "state: a cache" in subjects(class_of_its_own)[0].read_as
    with pytest.raises(UsageError, match="what is neither output nor state may be Any"):
        subjects(tensors_without_axes)


def named_beside(x: X, h0: H | None = None) -> tuple[X, Pair]: ...
def numbered_beside(x: X, h0: H | None = None) -> tuple[X, tuple[H, float], Float[Tensor, ""]]: ...


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (named_beside, "'loss' part of second result: not looked at"),
        (numbered_beside, "third result, second part of second result: not looked at"),
    ],
)
def test_a_number_inside_a_result_is_told(function, told):
    assert subjects(function)[0].read_as.endswith(told)
