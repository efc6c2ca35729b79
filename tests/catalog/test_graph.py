"""graph.*: what each property catches, and what it lets through."""

from torch import nn
from torch.utils.checkpoint import checkpoint

from rnncheck.adapters.torch_layers import torch_like
from rnncheck.catalog import CATALOG
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.judging.judge import judge
from rnncheck.running.trial import Trial

KILLS = {
    "graph.memory": "own-backward-writes-incoming",
    "graph.several": "own-one-tape-a-layer",
    "graph.changed": "own-saved-as-attributes",
    "graph.unfrozen": "own-frozen-once-frozen-ever",
}
MORE = [("graph.memory", "own-backward-reads-from-pointer")]


class Checkpointed(nn.GRU):
    """The whole call is run again for backward."""

    def forward(self, input, hx=None):
        return checkpoint(super().forward, input, hx, use_reentrant=False)


def test_what_is_run_again_is_not_asked_what_has_changed():
    """torch.utils.checkpoint does not see it."""
    subject = torch_like(Checkpointed, ("GRU",), "checkpointed")
    outcome = judge(CATALOG["graph.changed"], Trial(subject, Case(Config("GRU", 3, 4), time=5, batch=2, training=True)))
    assert outcome.status == "not_claimed" and "run again" in outcome.reason
