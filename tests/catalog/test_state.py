"""state.*: what each property catches, and what it lets through."""

from rnncheck.catalog import CATALOG
from tests.catalog.support import killed, subject_of
from tests.mutants import MUTANTS

KILLS = {
    "state.default_is_zero": "own-hidden-bias-skipped-without-hx",
    "state.is_last_output": "final-state-at-padded-end",
    "state.moves": "own-given-state-returned",
    "state.used": "own-upper-layers-share-state",
    "state.fresh": "own-states-in-reused-buffer",
    "state.one_tensor": "own-one-tensor-for-both-states",
}
RAISES = {"zero-state-ignores-directions"}
MORE = [
    ("state.default_is_zero", "zero-state-ignores-directions"),
    ("state.default_is_zero", "reset-noop-for-bidir"),
    ("state.is_last_output", "hn-direction-major"),
    ("state.is_last_output", "rev-output-not-flipped-back"),
    ("state.used", "own-initial-cell-of-reverse-ignored"),
    ("state.used", "own-unbatched-ignores-hx"),
    ("state.used", "state-computed-never-used"),
    ("state.fresh", "own-default-state-shared"),
]


def test_what_a_state_moved_is_named():
    _, outcome = killed(CATALOG["state.used"], subject_of(MUTANTS["own-upper-layers-share-state"]))
    assert "moved by h_0 of layer" in outcome.mismatches[0]
