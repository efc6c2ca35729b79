"""Layers for differential privacy that are to be torch's, with torch's names of parameters."""

PACKAGE = "opacus"
JUDGED = {name: {"target": f"opacus.layers:DP{name}", "against": f"torch.nn.{name}"} for name in ("RNN", "GRU", "LSTM")}
