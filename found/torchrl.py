"""The LSTM and GRU of torchrl that are written in Python, to be torch's."""

PACKAGE = "torchrl"
HERE = "torchrl.modules.tensordict_module.rnn"
JUDGED = {name: {"target": f"{HERE}:{name}", "against": f"torch.nn.{name}"} for name in ("LSTM", "GRU")}
