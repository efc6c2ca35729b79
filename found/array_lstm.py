"""The LSTM of array-lstm."""

PACKAGE = "array-lstm"
JUDGED = {"LSTM": {"target": "arrayLSTM:LSTM"}}
