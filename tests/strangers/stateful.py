"""The state lives in the object until it is reset."""
# ruff: noqa: UP008

import torch
from torch import nn


class StatefulLSTM(nn.Module):
    """Goes on where the last call ended; reset_state() begins anew."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell = nn.LSTMCell(input_size, hidden_size)
        self.reset_state()

    def reset_state(self):
        self.h = self.c = None

    def forward(self, x):
        if self.h is None:
            self.h = x.new_zeros(x.shape[1], self.cell.hidden_size)
            self.c = x.new_zeros(x.shape[1], self.cell.hidden_size)
        ys = []
        for x_t in x:
            self.h, self.c = self.cell(x_t, (self.h, self.c))
            ys.append(self.h)
        return torch.stack(ys)


class StatefulLSTM1(StatefulLSTM):
    def reset_state(self):
        self.h = None

    def forward(self, x):
        if self.h is None:
            self.h = x.new_zeros(x.shape[1], self.cell.hidden_size)
            if getattr(self, "c", None) is None:
                self.c = torch.zeros_like(self.h)
        ys = []
        for x_t in x:
            self.h, self.c = self.cell(x_t, (self.h, self.c))
            ys.append(self.h)
        return torch.stack(ys)


class StatefulLSTM2(StatefulLSTM):
    def forward(self, x):
        if self.h is None or x.shape[0] > 1:
            self.h = x.new_zeros(x.shape[1], self.cell.hidden_size)
            self.c = x.new_zeros(x.shape[1], self.cell.hidden_size)
        ys = []
        for x_t in x:
            self.h, self.c = self.cell(x_t, (self.h, self.c))
            ys.append(self.h)
        return torch.stack(ys)


class TutorialTagger(nn.Module):
    def __init__(self, input_dim, hidden_dim, batch_size=1):
        super(TutorialTagger, self).__init__()
        self.hidden_dim = hidden_dim
        self.batch_size = batch_size
        self.lstm = nn.LSTM(input_dim, hidden_dim)
        self.hidden = self.init_hidden()

    def init_hidden(self):
        weight = next(self.parameters()).data
        return (
            weight.new(1, self.batch_size, self.hidden_dim).zero_(),
            weight.new(1, self.batch_size, self.hidden_dim).zero_(),
        )

    def forward(self, sentence):
        lstm_out, self.hidden = self.lstm(sentence.view(len(sentence), self.batch_size, -1), self.hidden)
        return lstm_out


class TutorialTagger1(TutorialTagger):
    def forward(self, sentence):
        lstm_out, _ = self.lstm(sentence.view(len(sentence), self.batch_size, -1), self.hidden)
        return lstm_out


class TutorialTagger2(TutorialTagger):
    def forward(self, sentence):
        lstm_out, self.hidden = self.lstm(sentence.reshape(self.batch_size, len(sentence), -1).transpose(0, 1), self.hidden)
        return lstm_out


class ResetWithBatch(nn.Module):
    def __init__(self, obs, units):
        super().__init__()
        self.wx, self.wh = nn.Linear(obs, units), nn.Linear(units, units, bias=False)
        self.state = None

    def init_hidden(self, batch):
        self.state = self.wh.weight.new_zeros(batch, self.wh.in_features)

    def forward(self, x):
        """One step."""
        self.state = torch.tanh(self.wx(x) + self.wh(self.state))
        return self.state


class ResetWithBatch1(ResetWithBatch):
    def init_hidden(self, batch):
        if self.state is None or len(self.state) != batch:
            self.state = self.wh.weight.new_zeros(batch, self.wh.in_features)


class ResetWithBatch2(ResetWithBatch):
    def forward(self, x):
        """One step."""
        self.state = torch.tanh(self.wx(x) + self.wh(self.state[:1]))
        return self.state


class BufferedGRU(nn.Module):
    def __init__(self, n_in, n_hid):
        super().__init__()
        self.gru = nn.GRU(n_in, n_hid, batch_first=True)
        self.register_buffer("memory", torch.zeros(0), persistent=False)

    def reset(self):
        self.memory = self.memory.new_zeros(0)

    def forward(self, x):
        h = self.memory if self.memory.numel() else None
        y, h = self.gru(x, h)
        self.memory = h.detach()
        return y


class BufferedGRU1(BufferedGRU):
    def reset(self):
        self.memory = self.memory.new_zeros(0) if self.training else self.memory


class BufferedGRU2(BufferedGRU):
    def forward(self, x):
        h = self.memory if self.memory.numel() else None
        y, h = self.gru(x, h)
        self.memory = h.detach() if not self.memory.numel() else self.memory
        return y
