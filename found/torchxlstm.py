"""The xLSTM's sLSTM and mLSTM in torchxlstm, in two layers of two heads, as wide inside as outside."""

import torchxlstm
from jaxtyping import Float
from torch import Tensor, nn

PACKAGE = "torchxlstm"
JUDGED = {name: {"target": f"found.torchxlstm:{name}", "dtypes": ["float32"]} for name in ("sLSTM", "mLSTM")}
X, State = Float[Tensor, "time batch 6"], Float[Tensor, "2 batch 6"]
States = tuple[State, State, State, State]


class sLSTM(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = getattr(torchxlstm, type(self).__name__)(6, 3, 2, num_layers=2)

    def forward(self, x: X, state: States | None = None) -> tuple[X, States]:
        return self.layer(x, state)


class mLSTM(sLSTM): ...
