"""The LSTM with two cell states of cerebral-lstm."""

PACKAGE = "cerebral-lstm"
JUDGED = {"CerebralLSTM": {"target": "cerebral_lstm:CerebralLSTM"}}
