"""Every planted bug is found on the default profile's cases, by a property that is meant for it."""

import pytest

from tests.mutants import MUTANTS
from tests.mutants.search import first_kill, subject_of


@pytest.mark.parametrize("bug", MUTANTS)
def test_the_mutant_is_killed(bug):
    mutant = MUTANTS[bug]
    kill = first_kill(subject_of(mutant), among=mutant.property_hint)
    assert kill is not None, (mutant.property_hint, mutant.needs)


def test_a_clean_twin_survives_the_first_cases():
    """So that a mutant is killed for what is wrong with it, and not for what its clean twin lacks too."""
    clean = {mutant.clean: mutant for mutant in MUTANTS.values()}
    for target, mutant in clean.items():
        twin = type(mutant)(**{**vars(mutant), "target": target})
        kill = first_kill(subject_of(twin), cases=12)
        assert kill is None, kill
