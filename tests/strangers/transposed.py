"""Weights as Keras and the textbooks have them: x @ W, one bias."""

import torch
from torch import nn


class KerasGRU(nn.Module):
    def __init__(self, units, input_dim):
        super().__init__()
        self.units = units
        self.kernel = nn.Parameter(nn.init.xavier_uniform_(torch.empty(input_dim, 3 * units)))
        self.recurrent_kernel = nn.Parameter(nn.init.orthogonal_(torch.empty(units, 3 * units)))
        self.bias = nn.Parameter(torch.zeros(3 * units))

    def forward(self, inputs, initial_state=None):
        h_tm1 = initial_state if initial_state is not None else inputs.new_zeros(inputs.shape[0], self.units)
        matrix_x = inputs @ self.kernel + self.bias
        x_z, x_r, x_h = torch.split(matrix_x, self.units, dim=-1)
        outputs = []
        for t in range(inputs.shape[1]):
            recurrent_z = h_tm1 @ self.recurrent_kernel[:, : self.units]
            recurrent_r = h_tm1 @ self.recurrent_kernel[:, self.units : 2 * self.units]
            z = torch.sigmoid(x_z[:, t] + recurrent_z)
            r = torch.sigmoid(x_r[:, t] + recurrent_r)
            recurrent_h = (r * h_tm1) @ self.recurrent_kernel[:, 2 * self.units :]
            hh = torch.tanh(x_h[:, t] + recurrent_h)
            h_tm1 = z * h_tm1 + (1 - z) * hh
            outputs.append(h_tm1)
        return torch.stack(outputs, dim=1), h_tm1


class KerasGRU1(KerasGRU):
    def forward(self, inputs, initial_state=None):
        h_tm1 = getattr(self, "last", None)
        if initial_state is not None:
            h_tm1 = initial_state
        if h_tm1 is None or h_tm1.shape[0] != inputs.shape[0]:
            h_tm1 = inputs.new_zeros(inputs.shape[0], self.units)
        matrix_x = inputs @ self.kernel + self.bias
        x_z, x_r, x_h = torch.split(matrix_x, self.units, dim=-1)
        outputs = []
        for t in range(inputs.shape[1]):
            recurrent_z = h_tm1 @ self.recurrent_kernel[:, : self.units]
            recurrent_r = h_tm1 @ self.recurrent_kernel[:, self.units : 2 * self.units]
            z = torch.sigmoid(x_z[:, t] + recurrent_z)
            r = torch.sigmoid(x_r[:, t] + recurrent_r)
            recurrent_h = (r * h_tm1) @ self.recurrent_kernel[:, 2 * self.units :]
            hh = torch.tanh(x_h[:, t] + recurrent_h)
            h_tm1 = z * h_tm1 + (1 - z) * hh
            outputs.append(h_tm1)
        self.last = h_tm1.detach()
        return torch.stack(outputs, dim=1), h_tm1


class KerasGRU2(KerasGRU):
    def forward(self, inputs, initial_state=None):
        h_tm1 = initial_state if initial_state is not None else inputs.new_zeros(inputs.shape[0], self.units)
        matrix_x = inputs @ self.kernel + self.bias
        x_z, x_r, x_h = torch.split(matrix_x, self.units, dim=-1)
        outputs = []
        for t in range(inputs.shape[1]):
            recurrent_z = h_tm1 @ self.recurrent_kernel[:, : self.units]
            recurrent_r = h_tm1 @ self.recurrent_kernel[:, : self.units]
            z = torch.sigmoid(x_z[:, t] + recurrent_z)
            r = torch.sigmoid(x_r[:, t] + recurrent_r)
            recurrent_h = (r * h_tm1) @ self.recurrent_kernel[:, 2 * self.units :]
            hh = torch.tanh(x_h[:, t] + recurrent_h)
            h_tm1 = z * h_tm1 + (1 - z) * hh
            outputs.append(h_tm1)
        return torch.stack(outputs, dim=1), h_tm1


class KerasLSTM(nn.Module):
    def __init__(self, units, input_dim, unit_forget_bias=True):
        super().__init__()
        self.units = units
        self.kernel = nn.Parameter(nn.init.xavier_uniform_(torch.empty(input_dim, units * 4)))
        self.recurrent_kernel = nn.Parameter(nn.init.orthogonal_(torch.empty(units, units * 4)))
        self.bias = nn.Parameter(torch.zeros(units * 4))
        if unit_forget_bias:
            self.bias.data[units : 2 * units] = 1.0

    def forward(self, sequences, initial_state=None):
        batch = sequences.shape[0]
        if initial_state is None:
            initial_state = [sequences.new_zeros(batch, self.units), sequences.new_zeros(batch, self.units)]
        state_h, state_c = initial_state
        outputs = []
        for step in sequences.unbind(dim=1):
            z = step @ self.kernel + state_h @ self.recurrent_kernel + self.bias
            z0, z1, z2, z3 = z.tensor_split(4, dim=1)
            i, f, o = z0.sigmoid(), z1.sigmoid(), z3.sigmoid()
            state_c = f * state_c + i * z2.tanh()
            state_h = o * state_c.tanh()
            outputs.append(state_h)
        return torch.stack(outputs, dim=1), state_h, state_c


class KerasLSTM1(KerasLSTM):
    def forward(self, sequences, initial_state=None):
        batch = sequences.shape[0]
        if initial_state is None:
            initial_state = [sequences.new_zeros(batch, self.units), sequences.new_zeros(batch, self.units)]
        state_h, state_c = initial_state
        outputs = []
        for step in sequences.unbind(dim=1):
            z = step @ self.kernel + state_h @ self.recurrent_kernel + self.bias
            z0, z1, z2, z3 = z.tensor_split(4, dim=1)
            i, f, o = z0.sigmoid(), torch.nn.functional.hardsigmoid(z1), z3.sigmoid()
            state_c = f * state_c + i * z2.tanh()
            state_h = o * state_c.tanh()
            outputs.append(state_h)
        return torch.stack(outputs, dim=1), state_h, state_c


class KerasLSTM2(KerasLSTM):
    def forward(self, sequences, initial_state=None):
        batch = sequences.shape[0]
        if initial_state is None:
            initial_state = [sequences.new_zeros(batch, self.units), sequences.new_zeros(batch, self.units)]
        state_h = initial_state[0]
        state_c = torch.zeros_like(state_h)
        outputs = []
        for step in sequences.unbind(dim=1):
            z = step @ self.kernel + state_h @ self.recurrent_kernel + self.bias
            z0, z1, z2, z3 = z.tensor_split(4, dim=1)
            i, f, o = z0.sigmoid(), z1.sigmoid(), z3.sigmoid()
            state_c = f * state_c + i * z2.tanh()
            state_h = o * state_c.tanh()
            outputs.append(state_h)
        return torch.stack(outputs, dim=1), state_h, state_c


class TextbookRNN(nn.Module):
    """h_t = phi(x_t U + h_{t-1} W + b)"""

    def __init__(self, n, d, phi=torch.tanh):
        super().__init__()
        self.U = nn.Parameter(torch.randn(d, n) * d**-0.5)
        self.W = nn.Parameter(torch.randn(n, n) * n**-0.5)
        self.b = nn.Parameter(torch.zeros(n))
        self.phi = phi

    def forward(self, X, h=None):
        if h is None:
            h = X.new_zeros((X.shape[1], self.b.numel()))
        H = []
        for x in X:
            h = self.phi(x @ self.U + h @ self.W + self.b)
            H.append(h)
        return torch.stack(H, dim=0), h


class TextbookRNN1(TextbookRNN):
    def forward(self, X, h=None):
        if h is None:
            h = X.new_zeros((X.shape[1], self.b.numel()))
        H = []
        for x in X:
            H.append(self.phi(x @ self.U + h @ self.W + self.b))
        return torch.stack(H, dim=0), h


class TextbookRNN2(TextbookRNN):
    def forward(self, X, h=None):
        if h is None:
            h = X.new_zeros((X.shape[1], self.b.numel()))
        H = []
        for x in X:
            h = self.phi(x @ self.U + h.mean(0, keepdim=True) @ self.W + self.b)
            H.append(h)
        return torch.stack(H, dim=0), h
