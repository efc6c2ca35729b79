"""The LSTM and GRU that are to be torch's for sequences of any length, 0 as well; lengths in any order, as ``enforce_sorted`` allows."""

from pytorch_forecasting.models.nn import rnn

PACKAGE = "pytorch-forecasting"
JUDGED = {name: {"target": f"found.pytorch_forecasting:{name}", "against": f"torch.nn.{name}"} for name in ("LSTM", "GRU")}


class LSTM(rnn.LSTM):
    def forward(self, x, hx=None, lengths=None):
        return super().forward(x, hx, lengths, enforce_sorted=False)


class GRU(rnn.GRU):
    def forward(self, x, hx=None, lengths=None):
        return super().forward(x, hx, lengths, enforce_sorted=False)
