"""torch.nn's recurrent layers, read as any user's layer is."""

PACKAGE = "torch"
JUDGED = {name: {"target": f"torch.nn.{name}"} for name in ("RNN", "GRU", "LSTM")}
