"""A sample of tests/catalog/test_kills.py that runs every time: each 24th planted bug is found."""

import pytest

from tests.mutants import MUTANTS
from tests.mutants.search import first_kill, subject_of

SAMPLE = sorted(MUTANTS)[::24]


@pytest.mark.parametrize("bug", SAMPLE)
def test_the_mutant_is_killed(bug):
    mutant = MUTANTS[bug]
    kill = first_kill(subject_of(mutant), among=mutant.property_hint)
    assert kill is not None, (mutant.property_hint, mutant.needs)
