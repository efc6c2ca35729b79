"""How far the tests go: all that is tried by default takes minutes; ``tox -e nightly`` tries more of the same, and what is dear."""

import os

import pytest

NIGHTLY = bool(os.environ.get("RNNCHECK_NIGHTLY"))

only_nightly = pytest.mark.skipif(not NIGHTLY, reason="dear: tox -e nightly")
"""For a test whose subject is looked at by day too, in another test."""


def at_night(more: int, by_day: int) -> int:
    """Return a number of cases."""
    return more if NIGHTLY else by_day
