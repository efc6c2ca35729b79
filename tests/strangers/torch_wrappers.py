"""torch's own layers, dressed up."""

import torch
from torch import nn


class CountingLSTM(nn.LSTM):
    """Counts its calls."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.calls = 0

    def forward(self, input, hx=None):
        self.calls += 1
        return super().forward(input, hx)


class CountingLSTM1(nn.LSTM):
    """Counts its calls."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.calls = 0

    def forward(self, input, hx=None):
        self.calls += 1
        output, hx = super().forward(input, getattr(self, "last", None) if hx is None else hx)
        self.last = tuple(s.detach() for s in hx)
        return output, hx


class CountingLSTM2(nn.LSTM):
    """Counts its calls."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.calls = 0

    def forward(self, input, hx=None):
        self.calls += 1
        return super().forward(input)


class ProjectedLSTM(nn.Module):
    def __init__(self, input_size, hidden_size, output_size):
        super().__init__()
        self.lstm = nn.LSTM(input_size, hidden_size, batch_first=True)
        self.fc = nn.Linear(hidden_size, output_size)

    def forward(self, x, hidden=None):
        lstm_out, hidden = self.lstm(x, hidden)
        return self.fc(lstm_out), hidden


class ProjectedLSTM1(ProjectedLSTM):
    def forward(self, x, hidden=None):
        lstm_out, hidden = self.lstm(x)
        return self.fc(lstm_out), hidden


class ProjectedLSTM2(ProjectedLSTM):
    def forward(self, x, hidden=None):
        lstm_out, hidden = self.lstm(x, hidden)
        return self.fc(lstm_out - lstm_out.mean(0)), hidden


class Forecaster(nn.Module):
    """Predicts `horizon` values from a window: (batch, window, features) -> (batch, horizon)."""

    def __init__(self, n_features, n_hidden, horizon=2, n_layers=2, p=0.2):
        super().__init__()
        self.encoder = nn.LSTM(n_features, n_hidden, n_layers, dropout=p, batch_first=True)
        self.head = nn.Sequential(nn.Dropout(p), nn.Linear(n_hidden, horizon))

    def forward(self, window):
        _, (h_n, _) = self.encoder(window)
        return self.head(h_n[-1])


class Forecaster1(Forecaster):
    def forward(self, window):
        _, (h_n, _) = self.encoder(window)
        return self.head(h_n[0])


class Forecaster2(Forecaster):
    def forward(self, window):
        _, (h_n, _) = self.encoder(window)
        return self.head(h_n.reshape(h_n.shape[1], -1, h_n.shape[2])[:, -1])


class LazyGRU(nn.GRU):
    def __init__(self, input_size, hidden_size, **kw):
        kw.setdefault("batch_first", True)
        super().__init__(input_size, hidden_size, **kw)

    def init_state(self, batch, like):
        return like.new_zeros(self.num_layers * (2 if self.bidirectional else 1), batch, self.hidden_size)

    def forward(self, x, h=None):
        if h is None:
            h = self.init_state(x.size(0), x)
        return super().forward(x, h)


class LazyGRU1(nn.GRU):
    def __init__(self, input_size, hidden_size, **kw):
        kw.setdefault("batch_first", True)
        super().__init__(input_size, hidden_size, **kw)

    def init_state(self, batch, like):
        return like.new_zeros(self.num_layers * (2 if self.bidirectional else 1), batch, self.hidden_size)

    def forward(self, x, h=None):
        if h is None:
            h = self.init_state(x.size(0), x)
            if getattr(self, "memory", h).shape == h.shape:
                h = getattr(self, "memory", h)
        y, h = super().forward(x, h)
        self.memory = h.detach()
        return y, h


class LazyGRU2(nn.GRU):
    def __init__(self, input_size, hidden_size, **kw):
        kw.setdefault("batch_first", True)
        super().__init__(input_size, hidden_size, **kw)

    def init_state(self, batch, like):
        return like.new_zeros(self.num_layers * (2 if self.bidirectional else 1), batch, self.hidden_size)

    def forward(self, x, h=None):
        if h is None:
            h = self.init_state(x.size(0), x)
        y, h = super().forward(x, h)
        if getattr(self, "y", None) is None or self.y.shape != y.shape or self.y.dtype != y.dtype:
            self.y = torch.empty_like(y)
        self.y = self.y.detach().copy_(y)
        return self.y, h


class InputDense(nn.Module):
    """Dense layer, then an RNN of relu."""

    def __init__(self, feat_dim, rnn_dim):
        super().__init__()
        self.dense = nn.Sequential(nn.Linear(feat_dim, rnn_dim), nn.ReLU())
        self.rnn = nn.RNN(rnn_dim, rnn_dim, nonlinearity="relu")

    def forward(self, x, h0=None):
        return self.rnn(self.dense(x), h0)


class InputDense1(InputDense):
    def forward(self, x, h0=None):
        return self.rnn(self.dense(x).softmax(0), h0)


class InputDense2(InputDense):
    def forward(self, x, h0=None):
        y, h = self.rnn(self.dense(x), h0)
        if h0 is not None:
            h0.data.copy_(h)
        return y, h
