"""direction.*: what each property catches, and what it lets through."""

import pytest

from rnncheck.catalog import CATALOG
from tests.catalog.support import killed, subject_of
from tests.mutants import MUTANTS

KILLS = {
    "direction.two_nets": "bwd-uses-fwd-cell",
    "direction.reversal": "rev-output-not-flipped-back",
    "direction.causal": "bwd-input-not-reversed",
}


@pytest.mark.parametrize("mutant", ["hn-direction-major", "bilstm-rewriter", "own-upper-layer-reads-forward-half"])
def test_reversal_sees_the_layers_above_the_first(mutant):
    assert killed(CATALOG["direction.reversal"], subject_of(MUTANTS[mutant])) is not None
