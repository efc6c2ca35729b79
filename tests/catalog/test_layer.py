"""layer.*: what the properties catch; tests/catalog/test_killed.py tries the planted bugs."""

import pytest
import torch
from torch import nn

from rnncheck.catalog import CATALOG
from tests.adapters.test_probe import claimed
from tests.catalog.support import killed, outcomes
from tests.strangers.hunted import subject_of

KILLS = {"layer.stack": "input-ne-hidden"}
MORE = [("layer.stack", bug) for bug in ("hn-direction-major", "own-coupled-gates", "bilstm-rewriter")]
KILLS_OF_LISTS = {"layer.distinct": "OneForAll"}


class OneForEach(nn.Module):
    """Residual layers."""

    def __init__(self, dim, num_layers=2):
        super().__init__()
        self.layers = nn.ModuleList(self.made(dim, num_layers))

    def made(self, dim, layers):
        return [nn.GRU(dim, dim) for _ in range(layers)]

    def forward(self, x):
        for one in self.layers:
            x = x + one(x)[0]
        return x


class OneForAll(OneForEach):
    """Every layer is the first one."""

    def made(self, dim, layers):
        return [nn.GRU(dim, dim)] * layers


def test_one_module_in_several_places_is_warned_of():
    prop = CATALOG["layer.distinct"]
    _, outcome = killed(prop, claimed(OneForAll), 12)
    assert "layers.0" in outcome.mismatches[0] and prop.warns_of(outcome.mismatches)
    assert {outcome.status for _, outcome in outcomes(prop, claimed(OneForEach), 6)} == {"holds"}


class Cells(nn.Module):
    """A stack of cells."""

    def __init__(self, input_size, hidden_size, num_layers=1):
        super().__init__()
        self.cells = nn.ModuleList([nn.GRUCell(input_size, hidden_size), *self.above(hidden_size, num_layers - 1)])

    def above(self, size, layers):
        return [nn.GRUCell(size, size) for _ in range(layers)]

    def forward(self, x, h=None):
        states = list(x.new_zeros(len(self.cells), x.shape[1], self.cells[0].hidden_size) if h is None else h)
        outputs = []
        for step in x:
            for k, cell in enumerate(self.cells):
                states[k] = step = cell(step, states[k])
            outputs.append(step)
        return torch.stack(outputs), torch.stack(states)


class OneCellAbove(Cells):
    """All cells above the first are one."""

    def above(self, size, layers):
        return [nn.GRUCell(size, size)] * layers


@pytest.mark.parametrize(("layer", "status"), [(Cells, "holds"), (OneCellAbove, "fails")])
def test_shared_cells_are_given_the_parameters_of_each(layer, status):
    subject = subject_of(layer, "torch.nn.GRU")
    found = [outcome for case, outcome in outcomes(CATALOG["agree.against"], subject, 12) if case.config.num_layers > 2]
    assert {outcome.status for outcome in found} == {status}
