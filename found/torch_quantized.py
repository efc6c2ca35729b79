"""torch.ao.nn.quantized.dynamic's LSTM and GRU: weights of 8 bits, and inputs rounded to 8 bits in each call."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.ao.nn.quantized import dynamic

PACKAGE = "torch"
JUDGED = {name: {"target": f"found.torch_quantized:{name}", "dtypes": ["float32"]} for name in ("GRU", "LSTM")}
X, Y, H = Float[Tensor, "time batch input"], Float[Tensor, "time batch hidden"], Float[Tensor, "1 batch hidden"]


class GRU(nn.Module):
    rnncheck_mode = "other"
    rnncheck_claims = {"training": "weights of 8 bits cannot be trained"}

    def __init__(self, input: int, hidden: int) -> None:
        super().__init__()
        made = getattr(nn, type(self).__name__)(input, hidden)
        made.qconfig = torch.ao.quantization.default_dynamic_qconfig
        self.layer = getattr(dynamic, type(self).__name__).from_float(made)

    def forward(self, x: X, h: H | None = None) -> tuple[Y, H]:
        return self.layer(x, h)


class LSTM(GRU):
    def forward(self, x: X, h: H | None = None, c: H | None = None) -> tuple[Y, H, H]:
        output, (h, c) = self.layer(x, None if h is None else (h, c))
        return output, h, c
