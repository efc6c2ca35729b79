"""layout.*: what each property catches, and what it lets through."""

import pytest

from rnncheck.catalog import CATALOG
from rnncheck.core.config import MODES
from tests.catalog.support import TORCH, complaints, killed, outcomes, subject_of
from tests.mutants import MUTANTS
from tests.mutants.correct import CORRECT

KILLS = {
    "layout.batch_first": "hidden-scattered-on-dim0",
    "layout.square": "own-square-not-transposed",
    "layout.gradient": "own-batch-first-gradient-reshaped",
    "layout.strides": "own-input-assumed-contiguous",
    "layout.no_mutation": "weights-destroyed",
    "layout.no_alias": "own-state-is-view-of-output",
}
MORE = [
    ("layout.batch_first", "reshape-batch-time"),
    ("layout.gradient", "own-square-not-transposed"),
    ("layout.strides", "own-state-assumed-contiguous"),
    ("layout.no_mutation", "forward-mutates-params"),
    ("layout.no_mutation", "own-input-cleaned-in-place"),
    ("layout.no_mutation", "own-input-requires-grad"),
    ("layout.no_mutation", "own-gradients-cleared-by-forward"),
    ("layout.no_mutation", "own-version-bumped"),
    ("layout.no_alias", "own-one-step-output-is-state"),
]
CRASH = ("layout.strides",)
"""Where the bug is a read past the end of the memory, torch itself raises."""


@pytest.mark.parametrize(("prop", "mutant"), [*KILLS.items(), *MORE])
def test_a_mutant_is_killed(prop, mutant):
    case, outcome = killed(CATALOG[prop], subject_of(MUTANTS[mutant]))
    assert outcome.status == ("errored" if prop in CRASH else "fails"), case


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("prop", KILLS)
def test_torch_is_clean(prop, mode):
    assert complaints(CATALOG[prop], TORCH[mode], 5) == []


@pytest.mark.parametrize("name", ["lstm", "gru-by-hand"])
@pytest.mark.parametrize("prop", KILLS)
def test_a_correct_variant_is_clean(prop, name):
    assert complaints(CATALOG[prop], subject_of(CORRECT[name]), 5) == []


@pytest.mark.parametrize("prop", KILLS)
def test_something_is_checked(prop):
    assert any(outcome.status == "holds" for mode in MODES for _, outcome in outcomes(CATALOG[prop], TORCH[mode], 1))
