"""Recurrences that are none of torch's."""

import math

import torch
import torch.nn.functional as F
from torch import nn


class MinGRU(nn.Module):
    def __init__(self, dim_in, dim_hidden):
        super().__init__()
        self.to_gate = nn.Linear(dim_in, dim_hidden)
        self.to_hidden = nn.Linear(dim_in, dim_hidden)

    def forward(self, x, prev_hidden=None):
        """x: (b, n, d); prev_hidden: (b, 1, d)"""
        z = self.to_gate(x).sigmoid()
        cand = self.to_hidden(x)
        h = torch.zeros_like(cand[:, :1]) if prev_hidden is None else prev_hidden
        hs = []
        for t in range(x.shape[1]):
            h = torch.lerp(h, cand[:, t : t + 1], z[:, t : t + 1])
            hs.append(h)
        return torch.cat(hs, dim=1), h


class MinGRU1(MinGRU):
    def forward(self, x, prev_hidden=None):
        """x: (b, n, d); prev_hidden: (b, 1, d)"""
        z = self.to_gate(x).sigmoid()
        cand = self.to_hidden(x)
        h = torch.zeros_like(cand[:, :1]) if prev_hidden is None else torch.zeros_like(prev_hidden)
        hs = []
        for t in range(x.shape[1]):
            h = torch.lerp(h, cand[:, t : t + 1], z[:, t : t + 1])
            hs.append(h)
        return torch.cat(hs, dim=1), h


class MinGRU2(MinGRU):
    def forward(self, x, prev_hidden=None):
        """x: (b, n, d); prev_hidden: (b, 1, d)"""
        z = self.to_gate(x).softmax(1)
        cand = self.to_hidden(x)
        h = torch.zeros_like(cand[:, :1]) if prev_hidden is None else prev_hidden
        hs = []
        for t in range(x.shape[1]):
            h = torch.lerp(h, cand[:, t : t + 1], z[:, t : t + 1])
            hs.append(h)
        return torch.cat(hs, dim=1), h


class IndRNN(nn.Module):
    """Each unit sees itself only."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.w = nn.Linear(input_size, hidden_size)
        self.u = nn.Parameter(torch.rand(hidden_size))

    def forward(self, x, h=None):
        h = x.new_zeros(x.size(1), self.u.numel()) if h is None else h
        ys = []
        for wx in self.w(x):
            h = F.relu(wx + self.u * h)
            ys.append(h)
        return torch.stack(ys), h


class IndRNN1(IndRNN):
    def forward(self, x, h=None):
        h = x.new_zeros(x.size(1), self.u.numel()) if h is None else h
        ys = []
        for wx in self.w(x):
            h = F.relu(wx + self.u * h.detach())
            ys.append(h)
        return torch.stack(ys), h


class IndRNN2(IndRNN):
    def forward(self, x, h=None):
        h = x.new_zeros(x.size(1), self.u.numel()) if h is None else h
        ys = []
        for wx in self.w(x).cumsum(1):
            h = F.relu(wx + self.u * h)
            ys.append(h)
        return torch.stack(ys), h


class SRULayer(nn.Module):
    """Simple Recurrent Unit with highway connection."""

    def __init__(self, d):
        super().__init__()
        self.W = nn.Linear(d, 3 * d, bias=False)
        self.v_f = nn.Parameter(torch.randn(d))
        self.v_r = nn.Parameter(torch.randn(d))
        self.b_f = nn.Parameter(torch.zeros(d))
        self.b_r = nn.Parameter(torch.zeros(d))

    def forward(self, x, c0=None):
        L, B, D = x.shape
        c = x.new_zeros(B, D) if c0 is None else c0
        u, uf, ur = self.W(x).chunk(3, -1)
        h = []
        for t in range(L):
            f = torch.sigmoid(uf[t] + self.v_f * c + self.b_f)
            r = torch.sigmoid(ur[t] + self.v_r * c + self.b_r)
            c = f * c + (1 - f) * u[t]
            h.append(r * c + (1 - r) * x[t])
        return torch.stack(h), c


class SRULayer1(SRULayer):
    def forward(self, x, c0=None):
        L, B, D = x.shape
        c = x.new_zeros(B, D) if c0 is None else c0
        u, uf, ur = self.W(x).chunk(3, -1)
        h = []
        for t in range(L):
            f = torch.sigmoid(uf[t] + self.v_f * c + self.b_f)
            r = torch.sigmoid(ur[t] + self.v_r * c + self.b_r)
            c = f * c + (1 - f) * u[t]
            h.append(r * c + (1 - r) * x[t])
        return torch.stack(h), h[-1]


class SRULayer2(SRULayer):
    def forward(self, x, c0=None):
        L, B, D = x.shape
        c = x.new_zeros(B, D) if c0 is None else c0
        u, uf, ur = self.W(x).chunk(3, -1)
        h = []
        for t in range(L):
            f = torch.sigmoid(uf[t] + self.v_f * c + self.b_f)
            r = torch.sigmoid(ur[t] + self.v_r * c + self.b_r)
            c = f * c.detach() + (1 - f) * u[t]
            h.append(r * c + (1 - r) * x[t])
        return torch.stack(h), c


class QRNN(nn.Module):
    """Convolution over time, then fo-pooling."""

    def __init__(self, input_size, hidden_size, window=2):
        super().__init__()
        self.window = window
        self.conv = nn.Conv1d(input_size, 3 * hidden_size, window)

    def forward(self, x):
        padded = F.pad(x.permute(1, 2, 0), (self.window - 1, 0))
        z, f, o = self.conv(padded).permute(2, 0, 1).chunk(3, dim=2)
        z, f, o = torch.tanh(z), torch.sigmoid(f), torch.sigmoid(o)
        c = torch.zeros_like(z[:1].sum(0))
        H = []
        for t in range(x.shape[0]):
            c = f[t] * c + (1 - f[t]) * z[t]
            H.append(o[t] * c)
        return torch.stack(H)


class QRNN1(QRNN):
    def forward(self, x):
        padded = F.pad(x.permute(1, 2, 0), (0, self.window - 1))
        z, f, o = self.conv(padded).permute(2, 0, 1).chunk(3, dim=2)
        z, f, o = torch.tanh(z), torch.sigmoid(f), torch.sigmoid(o)
        c = torch.zeros_like(z[:1].sum(0))
        H = []
        for t in range(x.shape[0]):
            c = f[t] * c + (1 - f[t]) * z[t]
            H.append(o[t] * c)
        return torch.stack(H)


class QRNN2(QRNN):
    def forward(self, x):
        padded = F.pad(x.reshape(x.shape[1], x.shape[2], x.shape[0]), (self.window - 1, 0))
        z, f, o = self.conv(padded).permute(2, 0, 1).chunk(3, dim=2)
        z, f, o = torch.tanh(z), torch.sigmoid(f), torch.sigmoid(o)
        c = torch.zeros_like(z[:1].sum(0))
        H = []
        for t in range(x.shape[0]):
            c = f[t] * c + (1 - f[t]) * z[t]
            H.append(o[t] * c)
        return torch.stack(H)


class LRU(nn.Module):
    """Linear recurrent unit: complex and diagonal."""

    def __init__(self, d_model, d_state):
        super().__init__()
        self.nu_log = nn.Parameter(torch.log(-torch.log(torch.rand(d_state) * 0.4 + 0.5)))
        self.theta = nn.Parameter(torch.rand(d_state) * math.pi / 5)
        self.B = nn.Parameter(torch.randn(d_state, d_model, 2) / math.sqrt(2 * d_model))
        self.C = nn.Parameter(torch.randn(d_model, d_state, 2) / math.sqrt(d_state))
        self.D = nn.Parameter(torch.randn(d_model))

    def forward(self, u, state=None):
        lam = torch.polar(torch.exp(-torch.exp(self.nu_log)), self.theta)
        gamma = torch.sqrt(1 - lam.abs() ** 2)
        B, C = torch.view_as_complex(self.B), torch.view_as_complex(self.C)
        x = u.new_zeros(u.size(0), lam.numel(), dtype=lam.dtype) if state is None else state
        ys = []
        for t in range(u.size(1)):
            x = lam * x + gamma * (u[:, t].to(lam.dtype) @ B.T)
            ys.append((x @ C.T).real + self.D * u[:, t])
        return torch.stack(ys, 1), x


class LRU1(LRU):
    def forward(self, u, state=None):
        lam = torch.polar(torch.exp(-torch.exp(self.nu_log)), self.theta)
        gamma = torch.sqrt(1 - lam.abs() ** 2)
        B, C = torch.view_as_complex(self.B), torch.view_as_complex(self.C)
        x = u.new_zeros(u.size(0), lam.numel(), dtype=lam.dtype) if state is None else torch.zeros_like(state)
        ys = []
        for t in range(u.size(1)):
            x = lam * x + gamma * (u[:, t].to(lam.dtype) @ B.T)
            ys.append((x @ C.T).real + self.D * u[:, t])
        return torch.stack(ys, 1), x


class LRU2(LRU):
    def forward(self, u, state=None):
        lam = torch.polar(torch.exp(-torch.exp(self.nu_log)), self.theta)
        gamma = torch.sqrt(1 - lam.abs() ** 2)
        B, C = torch.view_as_complex(self.B), torch.view_as_complex(self.C)
        x = u.new_zeros(u.size(0), lam.numel(), dtype=lam.dtype) if state is None else state
        ys = []
        for t in range(u.size(1)):
            x = lam * x.detach() + gamma * (u[:, t].to(lam.dtype) @ B.T)
            ys.append((x @ C.T).real + self.D * u[:, t])
        return torch.stack(ys, 1), x


class CfC(nn.Module):
    """Closed-form continuous-time cell, unrolled with time spans."""

    def __init__(self, in_features, units):
        super().__init__()
        self.ff1 = nn.Linear(in_features + units, units)
        self.ff2 = nn.Linear(in_features + units, units)
        self.time_a = nn.Linear(in_features + units, units)
        self.time_b = nn.Linear(in_features + units, units)

    def forward(self, x, hx=None, timespans=None):
        h = x.new_zeros(x.size(0), self.ff1.out_features) if hx is None else hx
        out = []
        for t in range(x.size(1)):
            ts = 1.0 if timespans is None else timespans[:, t].unsqueeze(-1)
            z = torch.cat([x[:, t], h], 1)
            gate = torch.sigmoid(self.time_a(z) * ts + self.time_b(z))
            h = torch.tanh(self.ff1(z)) * (1 - gate) + gate * torch.tanh(self.ff2(z))
            out.append(h)
        return torch.stack(out, 1), h


class CfC1(CfC):
    def forward(self, x, hx=None, timespans=None):
        h = x.new_zeros(x.size(0), self.ff1.out_features) if hx is None else hx
        out = []
        for t in range(x.size(1)):
            ts = 1.0
            z = torch.cat([x[:, t], h], 1)
            gate = torch.sigmoid(self.time_a(z) * ts + self.time_b(z))
            h = torch.tanh(self.ff1(z)) * (1 - gate) + gate * torch.tanh(self.ff2(z))
            out.append(h)
        return torch.stack(out, 1), h


class CfC2(CfC):
    def forward(self, x, hx=None, timespans=None):
        h = x.new_zeros(x.size(0), self.ff1.out_features) if hx is None else hx
        out = []
        for t in range(x.size(1)):
            ts = 1.0 if timespans is None else timespans[:, t].unsqueeze(-1)
            z = torch.cat([x[:, t], h.mean(0, keepdim=True).expand_as(h)], 1)
            gate = torch.sigmoid(self.time_a(z) * ts + self.time_b(z))
            h = torch.tanh(self.ff1(z)) * (1 - gate) + gate * torch.tanh(self.ff2(z))
            out.append(h)
        return torch.stack(out, 1), h


class EchoState(nn.Module):
    """Reservoir with fixed weights; only the readout learns."""

    def __init__(self, n_inputs, n_reservoir, leak=0.3, rho=0.9):
        super().__init__()
        w = torch.rand(n_reservoir, n_reservoir) - 0.5
        self.register_buffer("W", w * rho / torch.linalg.eigvals(w).abs().max())
        self.register_buffer("W_in", torch.rand(n_reservoir, n_inputs) * 2 - 1)
        self.leak = leak
        self.readout = nn.Linear(n_reservoir, n_inputs)

    def forward(self, u, x=None):
        x = u.new_zeros(u.shape[1], self.W.shape[0]) if x is None else x
        states = []
        for u_t in u:
            x = (1 - self.leak) * x + self.leak * torch.tanh(u_t @ self.W_in.T + x @ self.W.T)
            states.append(x)
        return self.readout(torch.stack(states)), x


class EchoState1(EchoState):
    def forward(self, u, x=None):
        x = u.new_zeros(u.shape[1], self.W.shape[0]) if x is None else x
        states = []
        for u_t in u - u.mean(0):
            x = (1 - self.leak) * x + self.leak * torch.tanh(u_t @ self.W_in.T + x @ self.W.T)
            states.append(x)
        return self.readout(torch.stack(states)), x


class EchoState2(EchoState):
    def forward(self, u, x=None):
        x = u.new_zeros(u.shape[1], self.W.shape[0]) if x is None else x
        states = []
        for u_t in u:
            x = (1 - self.leak) * x + self.leak * torch.tanh(u_t @ self.W_in.T + x @ self.W.T)
            states.append(x)
        return torch.stack(states) @ self.readout.weight.detach().T + self.readout.bias, x


class PeepholeLSTM(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.W = nn.Linear(input_size, 4 * hidden_size)
        self.U = nn.Linear(hidden_size, 4 * hidden_size, bias=False)
        self.p_i, self.p_f, self.p_o = (nn.Parameter(torch.randn(hidden_size)) for _ in range(3))

    def forward(self, x, state=None):
        h, c = (x.new_zeros(2, x.size(1), self.hidden_size)) if state is None else state
        ys = []
        for x_t in x:
            i, f, g, o = (self.W(x_t) + self.U(h)).chunk(4, 1)
            i = torch.sigmoid(i + self.p_i * c)
            f = torch.sigmoid(f + self.p_f * c)
            c = f * c + i * torch.tanh(g)
            o = torch.sigmoid(o + self.p_o * c)
            h = o * torch.tanh(c)
            ys.append(h)
        return torch.stack(ys), (h, c)


class PeepholeLSTM1(PeepholeLSTM):
    def forward(self, x, state=None):
        h, c = (x.new_zeros(2, x.size(1), self.hidden_size)) if state is None else state
        ys = []
        for x_t in x:
            i, f, g, o = (self.W(x_t) + self.U(h)).chunk(4, 1)
            i = torch.sigmoid(i + self.p_i * c)
            f = torch.sigmoid(f + self.p_f * c)
            c = f * c + i * torch.tanh(g)
            o = torch.sigmoid(o + self.p_o * c)
            h = o * torch.tanh(c)
            ys.append(h)
        return torch.stack(ys), (c, h)


class PeepholeLSTM2(PeepholeLSTM):
    def forward(self, x, state=None):
        h, c = (x.new_zeros(2, x.size(1), self.hidden_size)) if state is None else state
        ys = []
        for x_t in x:
            i, f, g, o = (self.W(x_t) + self.U(h)).chunk(4, 1)
            i = torch.sigmoid(i + self.p_i * c)
            f = torch.sigmoid(f + self.p_f * c)
            c = f * c + i * torch.tanh(g)
            c = c.detach()
            o = torch.sigmoid(o + self.p_o * c)
            h = o * torch.tanh(c)
            ys.append(h)
        return torch.stack(ys), (h, c)


class ScalarLSTM(nn.Module):
    """The sLSTM of the xLSTM paper: four states, exponential gates with a stabiliser."""

    def __init__(self, d_in, d_hidden):
        super().__init__()
        self.d_hidden = d_hidden
        self.w = nn.Linear(d_in, 4 * d_hidden)
        self.r = nn.Linear(d_hidden, 4 * d_hidden, bias=False)

    def forward(self, x, state=None):
        if state is None:
            h = x.new_zeros(x.shape[0], self.d_hidden)
            state = (h, torch.zeros_like(h), torch.zeros_like(h), torch.zeros_like(h))
        h, c, n, m = state
        ys = []
        for t in range(x.shape[1]):
            z, i, f, o = (self.w(x[:, t]) + self.r(h)).chunk(4, dim=-1)
            log_f = F.logsigmoid(f)
            m_new = torch.maximum(log_f + m, i)
            i, f = torch.exp(i - m_new), torch.exp(log_f + m - m_new)
            m = m_new
            c = f * c + i * torch.tanh(z)
            n = f * n + i
            h = torch.sigmoid(o) * c / n
            ys.append(h)
        return torch.stack(ys, 1), (h, c, n, m)


class ScalarLSTM1(ScalarLSTM):
    def forward(self, x, state=None):
        if state is None:
            h = x.new_zeros(x.shape[0], self.d_hidden)
            state = (h, torch.zeros_like(h), torch.zeros_like(h), torch.zeros_like(h))
        h, c = state[:2]
        n = m = torch.zeros_like(h)
        ys = []
        for t in range(x.shape[1]):
            z, i, f, o = (self.w(x[:, t]) + self.r(h)).chunk(4, dim=-1)
            log_f = F.logsigmoid(f)
            m_new = torch.maximum(log_f + m, i)
            i, f = torch.exp(i - m_new), torch.exp(log_f + m - m_new)
            m = m_new
            c = f * c + i * torch.tanh(z)
            n = f * n + i
            h = torch.sigmoid(o) * c / n
            ys.append(h)
        return torch.stack(ys, 1), (h, c, n, m)


class ScalarLSTM2(ScalarLSTM):
    def forward(self, x, state=None):
        if state is None:
            h = x.new_zeros(x.shape[0], self.d_hidden)
            state = (h, torch.zeros_like(h), torch.zeros_like(h), torch.zeros_like(h))
        h, c, n, m = state
        ys = []
        for t in range(x.shape[1]):
            z, i, f, o = (self.w(x[:, t]) + self.r(h)).chunk(4, dim=-1)
            log_f = F.logsigmoid(f)
            m_old = m
            m_new = torch.maximum(log_f + m, i)
            i, f = torch.exp(i - m_new), torch.exp(log_f + m - m_new)
            m = m_new
            c = f * c + i * torch.tanh(z)
            n = f * n + i
            h = torch.sigmoid(o) * c / n
            ys.append(h)
        return torch.stack(ys, 1), (h, c, n, m_old)


class ConvFeatureRNN(nn.Module):
    """The transition is a convolution over the features."""

    def __init__(self, n, kernel_size=3):
        super().__init__()
        self.n = n
        self.x = nn.Conv1d(1, 1, kernel_size, padding=kernel_size // 2)
        self.h = nn.Conv1d(1, 1, kernel_size, padding=kernel_size // 2, bias=False)

    def forward(self, x, h=None):
        T, B, n = x.shape
        if h is None:
            h = x.new_zeros(B, 1, n)
        else:
            h = h.unsqueeze(1)
        out = []
        for t in range(T):
            h = torch.tanh(self.x(x[t].unsqueeze(1)) + self.h(h))
            out.append(h.squeeze(1))
        return torch.stack(out), h.squeeze(1)


class ConvFeatureRNN1(ConvFeatureRNN):
    def forward(self, x, h=None):
        T, B, n = x.shape
        if h is None:
            h = x.new_zeros(B, 1, n)
        else:
            h = h.unsqueeze(1)
        out = []
        for t in range(T):
            h = torch.tanh(self.x(x[t].unsqueeze(1)) + self.h(h.permute(1, 2, 0).reshape(B, 1, n)))
            out.append(h.squeeze(1))
        return torch.stack(out), h.squeeze(1)


class ConvFeatureRNN2(ConvFeatureRNN):
    def forward(self, x, h=None):
        T, B, n = x.shape
        if h is None:
            h = x.new_zeros(B, 1, n)
        else:
            h = h.unsqueeze(1)
        out = []
        for t in range(T):
            h = torch.tanh(self.x(x[T - 1 - t].unsqueeze(1)) + self.h(h))
            out.append(h.squeeze(1))
        return torch.stack(out), h.squeeze(1)


class TokenShift(nn.Module):
    """Mixes each step with the one before: the state is the last input."""

    def __init__(self, dim):
        super().__init__()
        self.mu = nn.Parameter(torch.rand(dim))
        self.value = nn.Linear(dim, dim, bias=False)

    def forward(self, x, last=None):
        if last is None:
            last = torch.zeros_like(x[:, 0])
        shifted = torch.cat([last.unsqueeze(1), x[:, :-1]], dim=1)
        mixed = x * self.mu + shifted * (1 - self.mu)
        return self.value(mixed), x[:, -1]


class TokenShift1(TokenShift):
    def forward(self, x, last=None):
        if last is None:
            last = torch.zeros_like(x[:, 0])
        shifted = torch.cat([x[:, 1:], last.unsqueeze(1)], dim=1)
        mixed = x * self.mu + shifted * (1 - self.mu)
        return self.value(mixed), x[:, -1]


class TokenShift2(TokenShift):
    def forward(self, x, last=None):
        if last is None:
            last = torch.zeros_like(x[:, 0])
        shifted = torch.cat([last.unsqueeze(1), x[:, :-1]], dim=1)
        mixed = x * self.mu + shifted * (1 - self.mu)
        return self.value(mixed), shifted[:, -1]


class DelayLine(nn.Module):
    """A tapped delay line: the state holds the last k inputs."""

    def __init__(self, n_in, k, n_out):
        super().__init__()
        self.taps = nn.Linear(n_in * k, n_out)
        self.k = k

    def forward(self, x, line=None):
        line = x.new_zeros(x.shape[1], self.k, x.shape[2]) if line is None else line
        ys = []
        for x_t in x:
            line = torch.cat([line[:, 1:], x_t[:, None]], dim=1)
            ys.append(torch.tanh(self.taps(line.flatten(1))))
        return torch.stack(ys), line


class DelayLine1(DelayLine):
    def forward(self, x, line=None):
        line = x.new_zeros(x.shape[1], self.k, x.shape[2]) if line is None else line
        ys = []
        for x_t in x:
            old = line
            line = torch.cat([line[:, 1:], x_t[:, None]], dim=1)
            ys.append(torch.tanh(self.taps(line.flatten(1))))
        return torch.stack(ys), old


class DelayLine2(DelayLine):
    def forward(self, x, line=None):
        line = x.new_zeros(x.shape[1], self.k, x.shape[2]) if line is None else torch.zeros_like(line)
        ys = []
        for x_t in x:
            line = torch.cat([line[:, 1:], x_t[:, None]], dim=1)
            ys.append(torch.tanh(self.taps(line.flatten(1))))
        return torch.stack(ys), line
