"""What another part returned goes in beside the state, under its usual names, and is the same for all steps of a sequence."""

from itertools import islice

import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn

from rnncheck.catalog import CATALOG
from rnncheck.judging.judge import judge, trial_of
from tests.adapters.support import claimed
from tests.typed.cases import small

X, H, Memory = Float[Tensor, "batch time units"], Float[Tensor, "batch units"], Float[Tensor, "batch source width"]


class Decoder(nn.Module):
    """A leaky sum that looks at what an encoder returned."""

    rows = slice(None)
    gradient = True

    def __init__(self, units: int, width: int) -> None:
        super().__init__()
        self.query, self.value = nn.Linear(units, width), nn.Linear(width, units)

    def forward(self, x: X, encoder_hidden_states: Memory, hidden: H | None = None) -> tuple[X, H]:
        h, outputs = torch.zeros_like(x[:, 0]) if hidden is None else hidden, []
        memory = encoder_hidden_states[self.rows].expand_as(encoder_hidden_states)
        for t in range(x.shape[1]):
            query = self.query(h + x[:, t])
            scores = torch.einsum("bw,bsw->bs", query if self.gradient else query.detach(), memory).softmax(-1)
            h = 0.5 * h + x[:, t] + self.value(torch.einsum("bs,bsw->bw", scores, memory))
            outputs.append(h)
        return torch.stack(outputs, 1), h


class OverOneMemory(Decoder):
    def forward(self, x: X, memory: Memory, hidden: H | None = None) -> tuple[X, H]:
        return super().forward(x, memory, hidden)


class MemoryOfTheFirstRow(Decoder):
    rows = slice(1)


class QueryWithoutGradient(Decoder):
    gradient = False


TARGETS = {Decoder: "", OverOneMemory: "", MemoryOfTheFirstRow: "batch.alone", QueryWithoutGradient: "weights.trainable"}
"""What they break, if anything."""


@pytest.mark.parametrize(("target", "red"), TARGETS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_it_is_no_state(target, red):
    subject = claimed(target)
    assert subject.read_as.endswith(": the same for all steps of a sequence")
    names = ("time.split", "batch.alone", "state.used", "weights.trainable")
    seen = [judge(CATALOG[name], trial_of(subject, case)) for case in islice(small(subject), 8) for name in names]
    assert (red in {one.property for one in seen if one.red}) if red else not [one for one in seen if one.red]
    assert {one.property for one in seen if one.status == "holds"} | {red} >= {*names}
