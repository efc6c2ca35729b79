"""Every property finds the bug that is planted for it, and the further ones that its family's file names."""

from importlib import import_module

import pytest

from rnncheck.catalog import CATALOG
from tests.catalog.support import killed
from tests.mutants.search import planted

FAMILIES = (
    "batch", "direction", "gate", "gradient", "graph", "layer", "layout", "lengths", "life", "mode", "numeric", "reject", "shape",
    "state", "time", "weights",
)  # fmt: skip
"""Those whose bugs show on planned cases of a layer; agree, clip, step, pair, cache and what CUDA shows have their own tests."""
FILES = {family: import_module(f"tests.catalog.test_{family}") for family in FAMILIES}
IN_TESTS_OF_THEIR_OWN = {"batch.cliffs"}
PAIRS = [
    (prop, bug) for file in FILES.values() for prop, bug in [*file.KILLS.items(), *getattr(file, "MORE", ())]
    if prop not in IN_TESTS_OF_THEIR_OWN
]  # fmt: skip


@pytest.mark.parametrize(("prop", "bug"), PAIRS)
def test_a_planted_bug_is_found(prop, bug):
    """It fails, or raises where the family's file says so; what it says of the first bug has words that the file names."""
    file = FILES[CATALOG[prop].family]
    found = killed(CATALOG[prop], planted(CATALOG[prop], bug))
    assert found is not None, f"{prop} holds on {bug}"
    case, outcome = found
    assert outcome.status == ("errored" if {prop, bug} & set(getattr(file, "RAISES", ())) else "fails"), case
    said = getattr(file, "SAYS", ("",)) if bug == file.KILLS[prop] else ("",)
    assert any(words in (*outcome.mismatches, "")[0] for words in said)
