"""torch.ao.nn.quantizable.LSTM, which is to be torch.nn.LSTM before it is quantized."""

PACKAGE = "torch"
JUDGED = {"quantizable.LSTM": {"target": "torch.ao.nn.quantizable.LSTM", "dtypes": ["float32"]}}
