"""The LSTM of labml's annotated implementations."""

PACKAGE = "labml-nn"
JUDGED = {"LSTM": {"target": "labml_nn.lstm:LSTM"}}
