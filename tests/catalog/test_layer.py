"""layer.*: what the property catches, and what it lets through."""

import pytest

from rnncheck.catalog import CATALOG
from tests.catalog.support import killed, subject_of
from tests.mutants import MUTANTS

KILLS = {"layer.stack": "input-ne-hidden"}
STACK = CATALOG["layer.stack"]


@pytest.mark.parametrize("mutant", [*KILLS.values(), "hn-direction-major", "own-coupled-gates", "bilstm-rewriter"])
def test_a_mutant_is_killed(mutant):
    case, outcome = killed(STACK, subject_of(MUTANTS[mutant]))
    assert outcome.status == "fails", case
