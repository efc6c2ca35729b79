"""The linear recurrent unit of lru-pytorch, without its state, which it takes and does not return."""

from jaxtyping import Float
from torch import Tensor, nn

PACKAGE = "LRU-pytorch"
JUDGED = {"LRU": {"target": "found.lru_pytorch:LRU", "dtypes": ["float32"]}}


class LRU(nn.Module):
    rnncheck_mode = "other"

    def __init__(self, input: int, output: int) -> None:
        from LRU_pytorch import LRU

        super().__init__()
        self.layer = LRU(input, output, 4)

    def forward(self, x: Float[Tensor, "batch time input"]) -> Float[Tensor, "batch time output"]:
        return self.layer(x)
