"""direction.*: what each property catches, and what it lets through."""

import pytest

from rnncheck.catalog import CATALOG
from tests.adapters.support import claimed
from tests.catalog.support import killed, outcomes, subject_of
from tests.mutants import MUTANTS
from tests.strangers.mixed_halves import LeftTurned, MixedHalves

KILLS = {
    "direction.two_nets": "bwd-uses-fwd-cell",
    "direction.reversal": "rev-output-not-flipped-back",
    "direction.causal": "bwd-input-not-reversed",
}
KILLS_OF_HALVES = {"direction.turned": "LeftTurned"}


def test_a_half_that_is_left_turned_is_seen_behind_a_layer_that_mixes_both():
    prop = CATALOG["direction.turned"]
    _, outcome = killed(prop, claimed(LeftTurned), 4)
    assert outcome.status == "fails" and "x[s]" in outcome.mismatches[0]
    assert {outcome.status for _, outcome in outcomes(prop, claimed(MixedHalves), 4)} == {"holds"}


@pytest.mark.parametrize("mutant", ["hn-direction-major", "bilstm-rewriter", "own-upper-layer-reads-forward-half"])
def test_reversal_sees_the_layers_above_the_first(mutant):
    assert killed(CATALOG["direction.reversal"], subject_of(MUTANTS[mutant])) is not None
