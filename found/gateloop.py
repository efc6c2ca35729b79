"""The simple gate loop, by an associative scan over time; of its cache, the product of the gates is never read again."""

from gateloop_transformer import SimpleGateLoopLayer
from jaxtyping import Float
from torch import Tensor, nn

PACKAGE = "gateloop-transformer"
JUDGED = {"SimpleGateLoopLayer": {"target": "found.gateloop:Loop", "dtypes": ["float32"]}}
X, H = Float[Tensor, "batch time dim"], Float[Tensor, "batch dim"]


class Loop(nn.Module):
    rnncheck_mode = "other"

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.layer = SimpleGateLoopLayer(dim)

    def forward(self, x: X, h: H | None = None) -> tuple[X, H]:
        cache = None if h is None else (h.reshape(-1, 1), h.reshape(-1, 1))
        y, (_, h) = self.layer(x, cache=cache, return_cache=True)
        return y, h.reshape(len(x), -1)
