"""The selective state-space layer of minimamba, without its cache."""

from jaxtyping import Float
from minimamba.config import MambaLMConfig
from minimamba.s6 import S6
from torch import Tensor, nn

PACKAGE = "minimamba"
JUDGED = {"S6": {"target": "found.minimamba:Layer", "dtypes": ["float32"]}}
X = Float[Tensor, "batch time 4"]


class Layer(nn.Module):
    rnncheck_mode = "other"

    def __init__(self) -> None:
        super().__init__()
        self.layer = S6(MambaLMConfig(d_model=4, n_layer=1, vocab_size=5, d_state=3), layer_idx=0)

    def forward(self, x: X) -> X:
        return self.layer(x)
