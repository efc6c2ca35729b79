"""Drop-ins for torch.nn.RNN, GRU and LSTM, made of the typed cells: differentiable to any order, open to look into."""

from rnncheck.nn.layers import GRU, LSTM, RNN

__all__ = ["GRU", "LSTM", "RNN"]
