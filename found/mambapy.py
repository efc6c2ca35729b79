"""The Mamba block of mambapy: a parallel scan over time, and one step a call."""

import torch
from jaxtyping import Float
from mambapy.mamba import MambaBlock, MambaConfig
from torch import Tensor, nn

PACKAGE = "mambapy"
JUDGED = {"MambaBlock": {"target": "found.mambapy:Scan", "against": "found.mambapy:Steps", "dtypes": ["float32"]}}
X = Float[Tensor, "batch time 4"]


class Scan(nn.Module):
    rnncheck_mode = "other"

    def __init__(self) -> None:
        super().__init__()
        self.block = MambaBlock(MambaConfig(d_model=4, n_layers=1, d_state=3, d_conv=3))

    def forward(self, x: X) -> X:
        return self.block(x)


class Steps(Scan):
    def forward(self, x: X) -> X:
        cache, outputs = (None, x.new_zeros(len(x), 8, 2)), []
        for step in x.unbind(1):
            output, cache = self.block.step(step, cache)
            outputs.append(output)
        return torch.stack(outputs, 1)
