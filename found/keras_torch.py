"""Keras' recurrent layers on torch, with a mask for sequences that end early."""

import os

from jaxtyping import Bool, Float
from torch import Tensor, nn

os.environ["KERAS_BACKEND"] = "torch"
import keras  # noqa: E402

PACKAGE = "keras"
JUDGED = {name: {"target": f"found.keras_torch:{name}", "dtypes": ["float32"]} for name in ("GRU", "LSTM")}
X, Y, H = Float[Tensor, "batch time input"], Float[Tensor, "batch time hidden"], Float[Tensor, "batch hidden"]
Mask = Bool[Tensor, "batch time"] | None


class GRU(nn.Module):
    rnncheck_mode = "other"
    rnncheck_claims = {"meta": "Keras computes on a device of its own"}

    def __init__(self, input: int, hidden: int) -> None:
        super().__init__()
        self.layer = getattr(keras.layers, type(self).__name__)(hidden, return_sequences=True, return_state=True)
        self.layer.build((None, None, input))

    def forward(self, x: X, h: H | None = None, mask: Mask = None) -> tuple[Y, H]:
        return self.layer(x, initial_state=h, mask=mask)


class LSTM(GRU):
    def forward(self, x: X, h: H | None = None, c: H | None = None, mask: Mask = None) -> tuple[Y, H, H]:
        return self.layer(x, initial_state=None if h is None else [h, c], mask=mask)
