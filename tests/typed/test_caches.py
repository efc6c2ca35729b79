"""Caches that are no tensors are carried, copied, cropped and reset, and what is wrong with them is seen."""

from itertools import islice
from typing import Annotated

import pytest

import rnncheck
from rnncheck.adapters.targets.resolve import subjects
from rnncheck.campaign.probing import probe_all
from rnncheck.catalog import CATALOG
from rnncheck.judging.judge import judge, trial_of
from rnncheck.strategies.plan import plan
from tests.typed.caches import MISTAKES, RIGHT, Cache, Module, Sized, X, in_place, needed

OF_CACHES = sorted(id for id in CATALOG if id.startswith("cache."))
CASES = 4


def outcomes(target, ids, count):
    (subject,) = probe_all(subjects(target), "inline")
    cases = islice(plan(subject, ("float64", "float32"), 2, 0), count)
    return [judge(CATALOG[id], trial) for case in cases for trial in [trial_of(subject, case)] for id in ids]


@pytest.mark.parametrize("target", RIGHT, ids=lambda target: target.__name__)
def test_what_is_right_is_clean(target):
    seen = outcomes(target, [*OF_CACHES, "shape.output", "batch.alone", "gradient.numerical"], CASES)
    assert [outcome for outcome in seen if outcome.red or "mistake" in (outcome.reason or "")] == []
    holding = {outcome.property for outcome in seen if outcome.status == "holds"}
    lacking = {"cache.cropped", "cache.reset"} if target is Module else set()
    assert holding >= {*OF_CACHES} - lacking and not holding & lacking


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda function: function.__name__)
def test_a_mistake_is_seen(mistake):
    seen = outcomes(mistake, [MISTAKES[mistake]], 12)
    assert "fails" in {outcome.status for outcome in seen}


def test_a_cache_is_said_to_be_one():
    assert subjects(in_place)[0].read_as == "x: sequences; cache: a cache that is carried and not read"
    assert {o.reason for o in outcomes(lambda_free, ["cache.pieces"], 1)} == {
        "it takes no cache: cache: Annotated[Cache, rnncheck.State(new=Cache)]"
    }


def lambda_free(x: X) -> X:
    return x.cumsum(1)


def unmarked(x: X, cache: Cache) -> X: ...
def unmade(x: X, cache: Annotated[Cache, rnncheck.State(new=lambda capacity: Cache())]) -> X: ...  # noqa: E501
def unmarked_result(x: X, cache: Cache | None = None) -> tuple[X, Cache]: ...
def two(x: X, a: Annotated[Cache, rnncheck.State(new=Cache)], b: Annotated[Sized, rnncheck.State(new=Sized)]) -> X: ...


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (unmarked, "write cache: Annotated[Cache, rnncheck.State(new=Cache)]"),
        (unmade, "wants capacity to make cache"),
        (unmarked_result, "as Annotated[Cache, rnncheck.State(new=Cache)]"),
        (two, "a and b are states without tensors, but one may be"),
    ],
)
def test_what_cannot_be_carried_is_said(function, words):
    with pytest.raises(rnncheck.UsageError) as told:
        subjects(function)
    assert words in str(told.value) and "\n" not in str(told.value)


def test_each_of_two_calls_that_need_a_cache_has_a_new_one():
    report = rnncheck.verify(needed, properties="time.*,cache.*,state.*", max_examples=3, engine="inline")
    assert report.exit_code in (0, 3) and not [v for _, v in report.verdicts() if v.verdict in ("fails", "errored")]
