"""torch.nn's cells, which are called a step at a time."""

PACKAGE = "torch"
JUDGED = {f"{name}Cell": {"target": f"torch.nn.{name}Cell"} for name in ("RNN", "GRU", "LSTM")}
