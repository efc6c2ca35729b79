"""The simple gate loop, by an associative scan over time, with its cache as (batch, features)."""

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

    def forward(self, x: X, gate: H | None = None, kv: H | None = None) -> tuple[X, H, H]:
        cache = None if gate is None else (gate.reshape(-1, 1), kv.reshape(-1, 1))
        y, (gate, kv) = self.layer(x, cache=cache, return_cache=True)
        return y, gate.reshape(len(x), -1), kv.reshape(len(x), -1)
