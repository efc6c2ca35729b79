"""state.*: what each property catches, and what it lets through."""

import pytest

from rnncheck.catalog import CATALOG
from rnncheck.core.config import MODES
from tests.catalog.support import TORCH, all_complaints, complaints, killed, subject_of
from tests.mutants import MUTANTS
from tests.mutants.correct import CORRECT

KILLS = {
    "state.default_is_zero": "own-hidden-bias-skipped-without-hx",
    "state.is_last_output": "final-state-at-padded-end",
    "state.used": "own-upper-layers-share-state",
    "state.fresh": "own-states-in-reused-buffer",
    "state.one_tensor": "own-one-tensor-for-both-states",
}
LAYERS = [name for name, variant in CORRECT.items() if variant.kind == "layer"]


@pytest.mark.parametrize(("prop", "mutant"), KILLS.items())
def test_a_mutant_is_killed(prop, mutant):
    case, outcome = killed(CATALOG[prop], subject_of(MUTANTS[mutant]))
    assert outcome.status == "fails", case


@pytest.mark.parametrize(
    ("prop", "mutant"),
    [
        ("state.default_is_zero", "zero-state-ignores-directions"),
        ("state.default_is_zero", "reset-noop-for-bidir"),
        ("state.is_last_output", "hn-direction-major"),
        ("state.is_last_output", "rev-output-not-flipped-back"),
        ("state.used", "own-initial-cell-of-reverse-ignored"),
        ("state.used", "own-unbatched-ignores-hx"),
        ("state.used", "state-computed-never-used"),
        ("state.fresh", "own-default-state-shared"),
    ],
)
def test_more_mutants_are_killed(prop, mutant):
    assert killed(CATALOG[prop], subject_of(MUTANTS[mutant])) is not None


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("prop", KILLS)
def test_torch_is_clean(prop, mode):
    assert complaints(CATALOG[prop], TORCH[mode], 5) == []


@pytest.mark.parametrize("name", LAYERS)
def test_correct_variants_are_clean(name):
    assert all_complaints(KILLS, subject_of(CORRECT[name]), 3) == []


def test_what_a_state_moved_is_named():
    _, outcome = killed(CATALOG["state.used"], subject_of(MUTANTS["own-upper-layers-share-state"]))
    assert "moved by h_0 of layer" in outcome.mismatches[0]
