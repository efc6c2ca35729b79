"""The smallest failing case: found, and a large size first, since each attempt on a large case takes its time."""

from dataclasses import replace

import pytest

from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.judging.shrink import needed, shrink

CASE = Case(Config("GRU", 3, 4, 2, bidirectional=True), time=129, batch=65, hx="random")


@pytest.mark.parametrize("fails, smallest", [
    (lambda case: True, {"time": 1, "batch": None}),
    (lambda case: case.time > 17, {"time": 18, "batch": None}),
    (lambda case: case.rows > 8, {"time": 1, "batch": 9}),
    (lambda case: case.time > 100 and case.config.bidirectional, {"time": 101, "batch": None}),
])  # fmt: skip
def test_the_smallest_is_found(fails, smallest):
    found = shrink(CASE, fails).case
    assert {"time": found.time, "batch": found.batch} == smallest
    assert fails(found)


def test_a_large_size_comes_down_first():
    assert shrink(CASE, lambda case: case.time > 17, attempts=8).case.time <= 30


def test_it_never_grows():
    seen = []
    shrink(CASE, lambda case: bool(seen.append(case)) or case.time % 3 == 0)
    assert max(case.time for case in seen) <= CASE.time and max(case.rows for case in seen) <= CASE.rows


def test_of_two_that_fail_for_one_size_it_ends_at_the_same():
    other = replace(CASE, time=257)
    assert shrink(CASE, lambda case: case.time > 17).case == shrink(other, lambda case: case.time > 17).case


@pytest.mark.parametrize("fails, needs", [
    (lambda case: True, ()),
    (lambda case: case.batch is None, ("unbatched input",)),
    (lambda case: case.config.bidirectional and case.hx == "random", ("bidirectional=True", "an initial state given")),
    (lambda case: case.time > 40, ("more than 8 steps", "more than 16 steps", "more than 32 steps")),
])  # fmt: skip
def test_what_a_case_must_have_to_fail_is_found(fails, needs):
    assert needed(shrink(CASE, fails).case, fails, lambda case: True) == needs


def test_what_a_property_is_asked_about_only_is_no_need_of_the_case():
    packed = CASE.but(lengths=(129,) * 65)
    assert needed(shrink(packed, lambda case: case.lengths is not None).case, lambda case: case.lengths is not None,
                  asked=lambda case: case.lengths is not None) == ()  # fmt: skip
