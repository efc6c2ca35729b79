"""How far the tests go: all that is tried by default takes minutes; ``tox -e nightly`` tries more of the same, and what is dear."""

import os
from collections.abc import Iterable
from typing import TypeVar

import pytest

T = TypeVar("T")
NIGHTLY = bool(os.environ.get("RNNCHECK_NIGHTLY"))

only_nightly = pytest.mark.skipif(not NIGHTLY, reason="dear: tox -e nightly")
"""For a test whose subject is looked at by day too, in another test."""


def at_night(more: int, by_day: int) -> int:
    """Return a number of cases."""
    return more if NIGHTLY else by_day


def some(everything: Iterable[T], step: int = 3) -> list[T]:
    """One in ``step`` of these by day, all of them at night."""
    return list(everything)[:: 1 if NIGHTLY else step]
