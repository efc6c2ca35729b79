"""layer.*: what the property catches, and what it lets through."""

import pytest

from rnncheck.catalog import CATALOG
from rnncheck.core.config import MODES
from tests.catalog.support import TORCH, complaints, killed, outcomes, subject_of
from tests.mutants import MUTANTS

KILLS = {"layer.stack": "input-ne-hidden"}
STACK = CATALOG["layer.stack"]


@pytest.mark.parametrize("mutant", [*KILLS.values(), "hn-direction-major", "own-coupled-gates", "bilstm-rewriter"])
def test_a_mutant_is_killed(mutant):
    case, outcome = killed(STACK, subject_of(MUTANTS[mutant]))
    assert outcome.status == "fails", case


@pytest.mark.parametrize("mode", MODES)
def test_torch_is_clean(mode):
    assert complaints(STACK, TORCH[mode], 10) == []


@pytest.mark.parametrize("mode", MODES)
def test_something_is_checked(mode):
    assert [outcome.status for _, outcome in outcomes(STACK, TORCH[mode], 3)] == ["holds"] * 3
