"""A typed layer whose weights take memory wherever it is built."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Allocating(nn.Module):
    """A leaky sum whose weight is made by torch.Tensor, which knows no default device."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.decay = nn.Parameter(torch.Tensor(units).uniform_(0.1, 0.9))

    def forward(
        self,
        x: Float[Tensor, "batch time units"],
        gate: Float[Tensor, "batch time units"],
        h: Float[Tensor, "batch units"] | None = None,
    ) -> tuple[Float[Tensor, "batch time units"], Float[Tensor, "batch units"]]:
        h, outputs = torch.zeros_like(x[:, 0]) if h is None else h, []
        for step, opened in zip(x.unbind(1), gate.unbind(1), strict=True):
            h = self.decay * h + opened * step
            outputs.append(h)
        return torch.stack(outputs, 1), h
