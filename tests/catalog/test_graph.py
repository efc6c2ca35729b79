"""graph.*: what each property catches, and what it lets through."""

import pytest
from torch import nn
from torch.utils.checkpoint import checkpoint

from rnncheck.adapters.torch_layers import torch_like
from rnncheck.catalog import CATALOG
from rnncheck.core.case import Case
from rnncheck.core.config import MODES, Config
from rnncheck.judging.judge import judge
from rnncheck.running.trial import Trial
from tests.catalog.support import TORCH, all_complaints, complaints, killed, outcomes, subject_of
from tests.mutants import MUTANTS
from tests.mutants.correct import CORRECT

KILLS = {
    "graph.memory": "own-backward-writes-incoming",
    "graph.several": "own-one-tape-a-layer",
    "graph.changed": "own-saved-as-attributes",
    "graph.unfrozen": "own-frozen-once-frozen-ever",
}
LAYERS = [name for name, variant in CORRECT.items() if variant.kind == "layer"]


@pytest.mark.parametrize(("prop", "mutant"), [*KILLS.items(), ("graph.memory", "own-backward-reads-from-pointer")])
def test_a_mutant_is_killed(prop, mutant):
    case, outcome = killed(CATALOG[prop], subject_of(MUTANTS[mutant]))
    assert outcome.status == "fails", case


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("prop", KILLS)
def test_torch_is_clean(prop, mode):
    assert complaints(CATALOG[prop], TORCH[mode], 5) == []
    assert any(outcome.status == "holds" for _, outcome in outcomes(CATALOG[prop], TORCH[mode], 2))


@pytest.mark.parametrize("name", LAYERS)
def test_correct_variants_are_clean(name):
    assert all_complaints(KILLS, subject_of(CORRECT[name]), 3) == []


class Checkpointed(nn.GRU):
    """The whole call is run again for backward."""

    def forward(self, input, hx=None):
        return checkpoint(super().forward, input, hx, use_reentrant=False)


def test_what_is_run_again_is_not_asked_what_has_changed():
    """torch.utils.checkpoint does not see it."""
    subject = torch_like(Checkpointed, ("GRU",), "checkpointed")
    outcome = judge(CATALOG["graph.changed"], Trial(subject, Case(Config("GRU", 3, 4), time=5, batch=2, training=True)))
    assert outcome.status == "not_claimed" and "run again" in outcome.reason
