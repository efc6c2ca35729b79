"""A bug that only torch.jit.script shows: the clean layers cannot be scripted, so this one is made of torch.nn's own."""

from typing import Optional

import torch
from torch import Tensor, nn

from tests.mutants.registry import Mutant


class ScriptedStateFlipped(nn.GRU):
    """The path that TorchScript takes returns the final states of the layers in reverse order."""

    def forward(self, input: Tensor, hx: Optional[Tensor] = None) -> tuple[Tensor, Tensor]:  # noqa: UP045 (TorchScript)
        batched = input.dim() == 3
        x = input if batched else input.unsqueeze(1)
        if hx is None:
            states = self.num_layers * (2 if self.bidirectional else 1)
            rows = x.size(0 if self.batch_first and batched else 1)
            state = torch.zeros(states, rows, self.hidden_size, dtype=x.dtype, device=x.device)
        else:
            state = hx if batched else hx.unsqueeze(1)
        y, h = torch._VF.gru(x, state, self._flat_weights, self.bias, self.num_layers, self.dropout, self.training,
                             self.bidirectional, self.batch_first and batched)  # fmt: skip
        if torch.jit.is_scripting():
            h = h.flip(0)
        return (y, h) if batched else (y.squeeze(1), h.squeeze(1))


EXTRA = {
    "own-scripted-states-flipped": Mutant(
        "own-scripted-states-flipped", ScriptedStateFlipped, "layer", nn.GRU, nn.GRU, ("agree.scripted",),
        "torch.jit.script, several states", ("packed",),
    ),
}  # fmt: skip
