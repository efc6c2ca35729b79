"""The smallest failing case: found, and a large size first, since each attempt on a large case takes its time."""

from dataclasses import replace

import pytest

from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.judging.shrink import shrink

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
