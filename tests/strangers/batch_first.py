"""Batch-first, without a word of it in the constructor."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class TransposingLSTM(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.rnn = nn.LSTM(input_size, hidden_size)

    def forward(self, x, state=None):
        y, state = self.rnn(x.transpose(0, 1), state)
        return y.transpose(0, 1), state


class TransposingLSTM1(TransposingLSTM):
    def forward(self, x, state=None):
        y, state = self.rnn(x.reshape(x.shape[1], x.shape[0], -1), state)
        return y.transpose(0, 1), state


class TransposingLSTM2(TransposingLSTM):
    def forward(self, x, state=None):
        y, state = self.rnn(x.transpose(0, 1), state)
        return y.reshape(x.shape[0], x.shape[1], -1), state


class TypedGRU(nn.Module):
    def __init__(self, d_in: int, d_hidden: int) -> None:
        super().__init__()
        self.d_hidden = d_hidden
        self.to_gates = nn.Linear(d_in + d_hidden, 2 * d_hidden)
        self.to_new_x = nn.Linear(d_in, d_hidden)
        self.to_new_h = nn.Linear(d_hidden, d_hidden)

    def forward(
        self,
        x: Float[Tensor, "batch time d_in"],
        h: Float[Tensor, "batch d_hidden"] | None = None,
    ) -> tuple[Float[Tensor, "batch time d_hidden"], Float[Tensor, "batch d_hidden"]]:
        if h is None:
            h = x.new_zeros(x.shape[0], self.d_hidden)
        ys = []
        for t in range(x.shape[1]):
            r, z = torch.sigmoid(self.to_gates(torch.cat([x[:, t], h], dim=-1))).chunk(2, dim=-1)
            n = torch.tanh(self.to_new_x(x[:, t]) + r * self.to_new_h(h))
            h = (1 - z) * n + z * h
            ys.append(h)
        return torch.stack(ys, dim=1), h


class TypedGRU1(TypedGRU):
    def forward(
        self,
        x: Float[Tensor, "batch time d_in"],
        h: Float[Tensor, "batch d_hidden"] | None = None,
    ) -> tuple[Float[Tensor, "batch time d_hidden"], Float[Tensor, "batch d_hidden"]]:
        if h is None:
            h = x.new_zeros(x.shape[0], self.d_hidden)
        ys = []
        for t in range(x.shape[1]):
            r, z = torch.sigmoid(self.to_gates(torch.cat([x[:, t], h], dim=-1))).chunk(2, dim=-1)
            n = torch.tanh(r * (self.to_new_x(x[:, t]) + self.to_new_h(h)))
            h = (1 - z) * n + z * h
            ys.append(h)
        return torch.stack(ys, dim=1), h


class TypedGRU2(TypedGRU):
    def forward(
        self,
        x: Float[Tensor, "batch time d_in"],
        h: Float[Tensor, "batch d_hidden"] | None = None,
    ) -> tuple[Float[Tensor, "batch time d_hidden"], Float[Tensor, "batch d_hidden"]]:
        if h is None:
            h = x.new_zeros(x.shape[0], self.d_hidden)
        ys = []
        for t in range(x.shape[1]):
            r, z = torch.sigmoid(self.to_gates(torch.cat([x[:, t], h], dim=-1))).chunk(2, dim=-1)
            n = torch.tanh(self.to_new_x(x[:, t]) + r * self.to_new_h(h))
            h = (1 - z) * n + z * h
            ys.append(h)
        return torch.stack(ys, dim=0), h


class Recurrent(nn.Module):
    """Batch x time x features."""

    def __init__(self, i, o):
        super().__init__()
        self.a = nn.Linear(i, o)
        self.b = nn.Linear(o, o)

    def forward(self, x, s=None):
        s = torch.zeros_like(self.a(x[:, 0])) if s is None else s.squeeze(1)
        y = []
        for v in torch.unbind(x, 1):
            s = (self.a(v) + self.b(s)).tanh()
            y.append(s.unsqueeze(1))
        return torch.cat(y, 1), s.unsqueeze(1)


class Recurrent1(Recurrent):
    def forward(self, x, s=None):
        s = torch.zeros_like(self.a(x[:, 0]))
        y = []
        for v in torch.unbind(x, 1):
            s = (self.a(v) + self.b(s)).tanh()
            y.append(s.unsqueeze(1))
        return torch.cat(y, 1), s.unsqueeze(1)


class Recurrent2(Recurrent):
    def forward(self, x, s=None):
        s = torch.zeros_like(self.a(x[:, 0])) if s is None else s.squeeze(1)
        y = []
        for v in torch.unbind(x, 1):
            s = (self.a(v) + self.b(s.detach())).tanh()
            y.append(s.unsqueeze(1))
        return torch.cat(y, 1), s.unsqueeze(1)
