"""The LSTM and GRU that are to be torch's for sequences of any length, 0 as well; outputs that were cut are padded again."""

from pytorch_forecasting.models.nn import rnn
from torch.nn.functional import pad

PACKAGE = "pytorch-forecasting"
JUDGED = {name: {"target": f"found.pytorch_forecasting:{name}", "against": f"torch.nn.{name}"} for name in ("LSTM", "GRU")}


class InAnyOrder:
    def forward(self, x, hx=None, lengths=None):
        output, state = super().forward(x, hx, lengths, enforce_sorted=False)
        axis = 1 if self.batch_first else 0
        return output if lengths is None else pad(output, [0, 0] * (2 - axis) + [0, x.shape[axis] - output.shape[axis]]), state


class LSTM(InAnyOrder, rnn.LSTM): ...


class GRU(InAnyOrder, rnn.GRU): ...
