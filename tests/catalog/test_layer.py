"""layer.*: what the properties catch; tests/catalog/test_killed.py tries the planted bugs."""

import pytest

from rnncheck.catalog import CATALOG
from tests.adapters.support import claimed
from tests.catalog.support import killed, outcomes
from tests.strangers.hunted import subject_of
from tests.strangers.shared_layers import Cells, OneCellAbove, OneForAll, OneForEach

KILLS = {"layer.stack": "input-ne-hidden"}
MORE = [("layer.stack", bug) for bug in ("hn-direction-major", "own-coupled-gates", "bilstm-rewriter")]
KILLS_OF_LISTS = {"layer.distinct": "OneForAll"}


def test_one_module_in_several_places_is_warned_of():
    prop = CATALOG["layer.distinct"]
    _, outcome = killed(prop, claimed(OneForAll), 12)
    assert "layers.0" in outcome.mismatches[0] and prop.warns_of(outcome.mismatches)
    assert {outcome.status for _, outcome in outcomes(prop, claimed(OneForEach), 6)} == {"holds"}


@pytest.mark.parametrize(("layer", "status"), [(Cells, "holds"), (OneCellAbove, "fails")])
def test_shared_cells_are_given_the_parameters_of_each(layer, status):
    subject = subject_of(layer, "torch.nn.GRU")
    found = [outcome for case, outcome in outcomes(CATALOG["agree.against"], subject, 12) if case.config.num_layers > 2]
    assert {outcome.status for outcome in found} == {status}
