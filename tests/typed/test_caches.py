"""Caches that are no tensors are carried, copied, cropped and reset, and what is wrong with them is seen."""

import re
from itertools import islice
from typing import Annotated

import pytest
import torch

import rnncheck
from rnncheck.adapters.targets.resolve import subjects
from rnncheck.catalog import CATALOG
from rnncheck.judging.judge import judge, trial_of
from rnncheck.repro import script
from tests.adapters.support import claimed
from tests.effort import some
from tests.run_script import raised_by
from tests.typed.caches import (
    MISTAKES,
    RIGHT,
    Cache,
    Differentiable,
    Module,
    Sized,
    X,
    beside_a_state,
    for_inference,
    in_place,
    needed,
    returned,
    with_lengths,
    with_mask,
)
from tests.typed.cases import small

OF_CACHES = sorted(id for id in CATALOG if id.startswith("cache."))
CASES = 4
NO_LENGTHS, NO_WAY_BACK = {"cache.prefill"}, {"cache.cropped", "cache.reset"}
LACKING = {
    in_place: NO_LENGTHS, needed: NO_LENGTHS, returned: NO_LENGTHS, Module: NO_LENGTHS | NO_WAY_BACK | {"cache.reordered"},
    Differentiable: NO_LENGTHS | NO_WAY_BACK | {"cache.reordered"},
    with_lengths: NO_WAY_BACK, with_mask: NO_WAY_BACK, beside_a_state: NO_LENGTHS | NO_WAY_BACK,
}  # fmt: skip
"""What each of the right ones does not offer."""


def outcomes(target, ids, count):
    subject = claimed(target, asked=ids)
    cases = islice(small(subject), count)
    return (judge(CATALOG[id], trial) for case in cases for trial in [trial_of(subject, case)] for id in ids)


@pytest.mark.parametrize("target", RIGHT, ids=lambda target: target.__name__)
def test_what_is_right_is_clean(target):
    others = ["shape.output", "time.split", "gradient.split", "batch.alone", "gradient.numerical", "gradient.forward_mode"]
    seen = list(outcomes(target, [*OF_CACHES, *others], CASES))
    assert [outcome for outcome in seen if outcome.red or "mistake" in (outcome.reason or "")] == []
    holding = {outcome.property for outcome in seen if outcome.status == "holds"}
    assert holding & {*OF_CACHES} == {*OF_CACHES} - LACKING[target]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda function: function.__name__)
def test_a_mistake_is_seen(mistake):
    assert "fails" in (outcome.status for outcome in outcomes(mistake, [MISTAKES[mistake]], 12))


MENDED = {
    "cache.prefill": "with_lengths", "cache.gradient": "with_lengths", "cache.reordered": "with_lengths",
}  # fmt: skip
"""What a function is where its mistake is mended; of the others it is ``in_place``."""


@pytest.mark.parametrize("mistake", some(MISTAKES, 3), ids=lambda function: function.__name__)
def test_its_script_fails_alone_and_passes_once_mended(mistake):
    subject, prop = claimed(mistake), CATALOG[MISTAKES[mistake]]
    cases = islice(small(subject), 24)
    case, outcome = next((case, seen) for case in cases if (seen := judge(prop, trial_of(subject, case))).red)
    text = script(subject, prop, case, outcome)
    assert isinstance(raised_by(text), AssertionError)
    assert ("class Typed" in text) == (prop.id == "cache.gradient")  # else it has the calls of the function itself
    new = "window" if prop.id in MENDED else "Cache"
    mended = re.sub(r"('new':|cache_\d+ =) tests\.[\w.]+", rf"\1 tests.typed.caches.{new}", text)
    if new == "Cache":
        mended = re.sub(r"(cache_\d+ = tests.typed.caches.Cache)\([^)]*\)", r"\1()", mended)
    assert raised_by(mended.replace(mistake.__name__, MENDED.get(prop.id, "in_place"))) is None


def test_a_script_finds_a_cache_beside_the_function_in_a_file():
    subject, prop = claimed("tests/typed/caches.py:single_step_apart"), CATALOG["cache.steps"]
    cases = islice(small(subject), 24)
    case, outcome = next((case, seen) for case in cases if (seen := judge(prop, trial_of(subject, case))).red)
    text = script(subject, prop, case, outcome)
    assert text.index("sys.path.insert") < text.index("from caches import Cache") and text.count("sys.path.insert") == 1
    assert isinstance(raised_by(text), AssertionError)


def test_what_makes_a_cache_may_have_no_name():
    subject = claimed("tests/typed/caches.py:beside_a_state")
    assert "typing.get_type_hints(beside_a_state, include_extras=True)['cache'].__metadata__[0].new" in subject.source
    space = {}
    exec(subject.source, space)
    assert space["build"](3, 1, units=3).new_cache(torch.zeros(1, 2, 3)).h.shape == (2, 3)


def test_a_cache_is_said_to_be_one():
    assert subjects(in_place)[0].read_as == "x: sequences; cache: a cache that is carried and not read"
    assert {o.reason for o in outcomes(lambda_free, ["cache.pieces"], 1)} == {
        "it takes no cache: cache: Annotated[Cache, rnncheck.State(new=Cache)]"
    }


def test_a_cache_that_is_for_inference_alone_says_so():
    seen = list(outcomes(for_inference, ["cache.pieces", "cache.gradient"], 4))
    assert {(o.property, o.status) for o in seen} >= {("cache.pieces", "holds"), ("cache.gradient", "not_claimed")}
    assert [o for o in seen if o.red] == []


def lambda_free(x: X) -> X:
    return x.cumsum(1)


def unmarked(x: X, cache: Cache) -> X: ...
def unmade(x: X, cache: Annotated[Cache, rnncheck.State(new=lambda capacity: Cache())]) -> X: ...  # noqa: E501
def unmarked_result(x: X, cache: Cache) -> tuple[X, Cache]: ...
def two(x: X, a: Annotated[Cache, rnncheck.State(new=Cache)], b: Annotated[Sized, rnncheck.State(new=Sized)]) -> X: ...


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (unmarked, "write cache: Annotated[Cache, rnncheck.State(new=Cache)]"),
        (unmade, "wants capacity to make cache"),
        (unmarked_result, "what makes the first one: Annotated[Cache, rnncheck.State(new=Cache)]"),
        (two, "a and b are states that types do not describe; let each be None"),
    ],
)
def test_what_cannot_be_carried_is_said(function, words):
    with pytest.raises(rnncheck.UsageError) as told:
        subjects(function)
    assert words in str(told.value) and "\n" not in str(told.value)


def test_each_of_two_calls_that_need_a_cache_has_a_new_one():
    report = rnncheck.verify(needed, properties="time.*,cache.*,state.*", max_examples=3, engine="inline")
    assert report.exit_code in (0, 3) and not [v for _, v in report.verdicts() if v.verdict in ("fails", "errored")]


def in_a_list(x: X, cache: Annotated[list, rnncheck.State(new=lambda: [None])] | None = None) -> X:  # type: ignore[type-arg]
    h, outputs = torch.zeros_like(x[:, 0]) if cache is None or cache[0] is None else cache[0], []
    for t in range(x.shape[1]):
        h = 0.5 * h + x[:, t]
        outputs.append(h)
    if cache is not None:
        cache[0] = h
    return torch.stack(outputs, 1)


def test_a_list_is_cleared_by_python_alone():
    assert {outcome.status for outcome in outcomes(in_a_list, ["cache.reset"], 6)} <= {"not_claimed", "not_applicable"}
    assert "holds" in {outcome.status for outcome in outcomes(in_a_list, ["cache.pieces"], 6)}
