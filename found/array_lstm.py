"""The LSTM and the array LSTM of array-lstm."""

from arrayLSTM import ArrayLSTM

PACKAGE = "array-lstm"
JUDGED = {"LSTM": {"target": "arrayLSTM:LSTM"}, "ArrayLSTM": {"target": "found.array_lstm:of_two"}}


def of_two(input_size: int, hidden_size: int) -> ArrayLSTM:
    return ArrayLSTM(input_size, hidden_size, 2)
