"""Layers with matrices of their own for each gate."""
# ruff: noqa: UP008

import math

import torch
from torch import Tensor, nn


class BlogLSTM(nn.Module):
    def __init__(self, input_dim: int, hidden_dim: int):
        super().__init__()
        self.hidden_dim = hidden_dim
        self.W_f = nn.Linear(hidden_dim + input_dim, hidden_dim)
        self.W_i = nn.Linear(hidden_dim + input_dim, hidden_dim)
        self.W_C = nn.Linear(hidden_dim + input_dim, hidden_dim)
        self.W_o = nn.Linear(hidden_dim + input_dim, hidden_dim)

    def forward(self, x, init_states=None):
        bs, seq_len, _ = x.size()
        hidden_seq = []
        if init_states is None:
            h_t, C_t = (
                torch.zeros(bs, self.hidden_dim).to(x),
                torch.zeros(bs, self.hidden_dim).to(x),
            )
        else:
            h_t, C_t = init_states
        for t in range(seq_len):
            hx = torch.cat([h_t, x[:, t, :]], dim=1)
            f_t = torch.sigmoid(self.W_f(hx))
            i_t = torch.sigmoid(self.W_i(hx))
            C_tilde = torch.tanh(self.W_C(hx))
            C_t = f_t * C_t + i_t * C_tilde
            o_t = torch.sigmoid(self.W_o(hx))
            h_t = o_t * torch.tanh(C_t)
            hidden_seq.append(h_t.unsqueeze(0))
        hidden_seq = torch.cat(hidden_seq, dim=0)
        hidden_seq = hidden_seq.transpose(0, 1).contiguous()
        return hidden_seq, (h_t, C_t)


class BlogLSTM1(BlogLSTM):
    def forward(self, x, init_states=None):
        bs, seq_len, _ = x.size()
        hidden_seq = []
        if init_states is None:
            h_t, C_t = (
                torch.zeros(bs, self.hidden_dim).to(x),
                torch.zeros(bs, self.hidden_dim).to(x),
            )
        else:
            h_t, C_t = init_states
        for t in range(seq_len):
            hx = torch.cat([h_t, x[:, t, :]], dim=1)
            f_t = torch.sigmoid(self.W_f(hx))
            i_t = torch.sigmoid(self.W_i(hx))
            C_tilde = torch.tanh(self.W_C(hx))
            C_t = f_t * C_t + i_t * C_tilde
            o_t = torch.sigmoid(self.W_o(hx))
            h_t = o_t * torch.tanh(C_t)
            hidden_seq.append(h_t.unsqueeze(0))
        hidden_seq = torch.cat(hidden_seq, dim=0)
        hidden_seq = hidden_seq.reshape(bs, seq_len, self.hidden_dim)
        return hidden_seq, (h_t, C_t)


class BlogLSTM2(BlogLSTM):
    def forward(self, x, init_states=None):
        bs, seq_len, _ = x.size()
        hidden_seq = []
        if init_states is None:
            h_t, C_t = (
                torch.zeros(bs, self.hidden_dim).to(x),
                torch.zeros(bs, self.hidden_dim).to(x),
            )
        else:
            h_t, C_t = init_states
        for t in range(seq_len):
            hx = torch.cat([h_t, x[:, t, :]], dim=1)
            f_t = torch.sigmoid(self.W_f(hx))
            i_t = torch.sigmoid(self.W_i(hx))
            C_tilde = torch.tanh(self.W_C(hx))
            C_t = f_t * C_t + i_t * C_tilde
            o_t = torch.sigmoid(self.W_o(hx))
            h_t = o_t * C_t
            hidden_seq.append(h_t.unsqueeze(0))
        hidden_seq = torch.cat(hidden_seq, dim=0)
        hidden_seq = hidden_seq.transpose(0, 1).contiguous()
        return hidden_seq, (h_t, C_t)


class NaiveLSTM(nn.Module):
    """One parameter a matrix, uniform init."""

    def __init__(self, input_sz: int, hidden_sz: int):
        super().__init__()
        self.input_size = input_sz
        self.hidden_size = hidden_sz
        for k in "ifgo":
            setattr(self, f"U_{k}", nn.Parameter(torch.Tensor(input_sz, hidden_sz)))
            setattr(self, f"V_{k}", nn.Parameter(torch.Tensor(hidden_sz, hidden_sz)))
            setattr(self, f"b_{k}", nn.Parameter(torch.Tensor(hidden_sz)))
        self.init_weights()

    def init_weights(self):
        stdv = 1.0 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            weight.data.uniform_(-stdv, stdv)

    def forward(self, x, init_states=None):
        bs, seq_sz, _ = x.size()
        hidden_seq = []
        if init_states is None:
            h_t, c_t = x.new_zeros(bs, self.hidden_size), x.new_zeros(bs, self.hidden_size)
        else:
            h_t, c_t = init_states
        for t in range(seq_sz):
            x_t = x[:, t, :]
            i_t = torch.sigmoid(x_t @ self.U_i + h_t @ self.V_i + self.b_i)
            f_t = torch.sigmoid(x_t @ self.U_f + h_t @ self.V_f + self.b_f)
            g_t = torch.tanh(x_t @ self.U_g + h_t @ self.V_g + self.b_g)
            o_t = torch.sigmoid(x_t @ self.U_o + h_t @ self.V_o + self.b_o)
            c_t = f_t * c_t + i_t * g_t
            h_t = o_t * torch.tanh(c_t)
            hidden_seq.append(h_t)
        return torch.stack(hidden_seq, dim=1), (h_t, c_t)


class NaiveLSTM1(NaiveLSTM):
    def forward(self, x, init_states=None):
        bs, seq_sz, _ = x.size()
        hidden_seq = []
        if init_states is None:
            h_t, c_t = x.new_zeros(bs, self.hidden_size), x.new_zeros(bs, self.hidden_size)
        else:
            h_t, c_t = init_states
        for t in range(seq_sz):
            x_t = x[:, t, :]
            i_t = torch.sigmoid(x_t @ self.U_i + h_t @ self.V_i + self.b_i)
            f_t = torch.sigmoid(x_t @ self.U_f + h_t @ self.V_i + self.b_f)
            g_t = torch.tanh(x_t @ self.U_g + h_t @ self.V_g + self.b_g)
            o_t = torch.sigmoid(x_t @ self.U_o + h_t @ self.V_o + self.b_o)
            c_t = f_t * c_t + i_t * g_t
            h_t = o_t * torch.tanh(c_t)
            hidden_seq.append(h_t)
        return torch.stack(hidden_seq, dim=1), (h_t, c_t)


class NaiveLSTM2(NaiveLSTM):
    def forward(self, x, init_states=None):
        bs, seq_sz, _ = x.size()
        hidden_seq = []
        if init_states is None:
            h_t, c_t = x.new_zeros(bs, self.hidden_size), x.new_zeros(bs, self.hidden_size)
        else:
            h_t, c_t = init_states
        for t in range(seq_sz):
            x_t = x[:, t, :]
            i_t = torch.sigmoid(x_t @ self.U_i + h_t @ self.V_i + self.b_i)
            f_t = torch.sigmoid(x_t @ self.U_f + h_t @ self.V_f + self.b_f)
            g_t = torch.tanh(x_t @ self.U_g + h_t @ self.V_g + self.b_g)
            o_t = torch.sigmoid(x_t @ self.U_o + h_t @ self.V_o)
            c_t = f_t * c_t + i_t * g_t
            h_t = o_t * torch.tanh(c_t)
            hidden_seq.append(h_t)
        return torch.stack(hidden_seq, dim=1), (h_t, c_t)


class PaperGRU(nn.Module):
    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.W_ir, self.W_hr = nn.Linear(input_size, hidden_size), nn.Linear(hidden_size, hidden_size, bias=False)
        self.W_iz, self.W_hz = nn.Linear(input_size, hidden_size), nn.Linear(hidden_size, hidden_size, bias=False)
        self.W_in, self.W_hn = nn.Linear(input_size, hidden_size), nn.Linear(hidden_size, hidden_size)

    def forward(self, x: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        T, N, _ = x.shape
        h = torch.zeros(N, self.hidden_size, dtype=x.dtype, device=x.device) if h is None else h[0]
        # everything that does not depend on the state, at once
        xr, xz, xn = self.W_ir(x), self.W_iz(x), self.W_in(x)
        y = x.new_empty(T, N, self.hidden_size)
        for t in range(T):
            r = torch.sigmoid(xr[t] + self.W_hr(h))
            z = torch.sigmoid(xz[t] + self.W_hz(h))
            n = torch.tanh(xn[t] + r * self.W_hn(h))
            h = n + z * (h - n)
            y[t] = h
        return y, h.unsqueeze(0)


class PaperGRU1(PaperGRU):
    def forward(self, x: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        T, N, _ = x.shape
        h = torch.zeros(N, self.hidden_size, dtype=x.dtype, device=x.device) if h is None else h[0]
        # everything that does not depend on the state, at once
        xr, xz, xn = self.W_ir(x), self.W_iz(x), self.W_in(x)
        y = x.new_empty(T, N, self.hidden_size)
        for t in range(T):
            r = torch.sigmoid(xr[t] + self.W_hr(h))
            z = torch.sigmoid(xz[t] + self.W_hz(h))
            n = torch.tanh(xn[t] + r * self.W_hn(h))
            h = n + z * h
            y[t] = h
        return y, h.unsqueeze(0)


class PaperGRU2(PaperGRU):
    def forward(self, x: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        T, N, _ = x.shape
        h = torch.zeros(N, self.hidden_size, dtype=x.dtype, device=x.device) if h is None else h[0]
        # everything that does not depend on the state, at once
        xr, xz, xn = self.W_ir(x), self.W_iz(x), self.W_in(x)
        y = x.new_empty(T, N, self.hidden_size)
        for t in range(T):
            r = torch.sigmoid(xr[t] + self.W_hr(h))
            z = torch.sigmoid(xz[t] + self.W_hz(h))
            n = torch.tanh(xn[min(t + 1, T - 1)] + r * self.W_hn(h))
            h = n + z * (h - n)
            y[t] = h
        return y, h.unsqueeze(0)


class X2HLSTM(nn.Module):
    def __init__(self, input_size, hidden_size, bias=True):
        super(X2HLSTM, self).__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.x2h = nn.Linear(input_size, 4 * hidden_size, bias=bias)
        self.h2h = nn.Linear(hidden_size, 4 * hidden_size, bias=bias)
        self.reset_parameters()

    def reset_parameters(self):
        std = 1.0 / math.sqrt(self.hidden_size)
        for w in self.parameters():
            w.data.uniform_(-std, std)

    def forward(self, x, hidden=None):
        if hidden is None:
            zeros = torch.zeros(1, x.size(1), self.hidden_size, dtype=x.dtype, device=x.device)
            hidden = (zeros, zeros)
        hx, cx = hidden[0][0], hidden[1][0]
        outs = []
        for t in range(x.size(0)):
            gates = self.x2h(x[t]) + self.h2h(hx)
            ingate, forgetgate, outgate, cellgate = gates.chunk(4, 1)
            ingate = torch.sigmoid(ingate)
            forgetgate = torch.sigmoid(forgetgate)
            cellgate = torch.tanh(cellgate)
            outgate = torch.sigmoid(outgate)
            cx = torch.mul(cx, forgetgate) + torch.mul(ingate, cellgate)
            hx = torch.mul(outgate, torch.tanh(cx))
            outs.append(hx)
        return torch.stack(outs, dim=0), (hx.unsqueeze(0), cx.unsqueeze(0))


class X2HLSTM1(X2HLSTM):
    def forward(self, x, hidden=None):
        if hidden is None:
            zeros = torch.zeros(1, x.size(1), self.hidden_size, dtype=x.dtype, device=x.device)
            hidden = (zeros, zeros)
        cx, hx = hidden[0][0], hidden[1][0]
        outs = []
        for t in range(x.size(0)):
            gates = self.x2h(x[t]) + self.h2h(hx)
            ingate, forgetgate, outgate, cellgate = gates.chunk(4, 1)
            ingate = torch.sigmoid(ingate)
            forgetgate = torch.sigmoid(forgetgate)
            cellgate = torch.tanh(cellgate)
            outgate = torch.sigmoid(outgate)
            cx = torch.mul(cx, forgetgate) + torch.mul(ingate, cellgate)
            hx = torch.mul(outgate, torch.tanh(cx))
            outs.append(hx)
        return torch.stack(outs, dim=0), (hx.unsqueeze(0), cx.unsqueeze(0))


class X2HLSTM2(X2HLSTM):
    def forward(self, x, hidden=None):
        if hidden is None:
            zeros = torch.zeros(1, x.size(1), self.hidden_size, dtype=x.dtype, device=x.device)
            hidden = (zeros, zeros)
        hx, cx = hidden[0][0], hidden[1][0]
        outs = []
        for t in range(x.size(0)):
            gates = self.x2h(x[t]) + self.h2h(hx)
            ingate, forgetgate, outgate, cellgate = gates.chunk(4, 1)
            ingate = torch.sigmoid(ingate)
            forgetgate = torch.sigmoid(forgetgate)
            cellgate = torch.tanh(cellgate)
            outgate = torch.sigmoid(outgate)
            cx = torch.mul(cx.detach(), forgetgate) + torch.mul(ingate, cellgate)
            hx = torch.mul(outgate, torch.tanh(cx))
            outs.append(hx)
        return torch.stack(outs, dim=0), (hx.unsqueeze(0), cx.unsqueeze(0))


class X2HGRU(nn.Module):
    def __init__(self, in_features, out_features):
        super().__init__()
        self.size = out_features
        self.x2h = nn.Linear(in_features, 3 * out_features)
        self.h2h = nn.Linear(out_features, 3 * out_features)

    def forward(self, xs, h0=None):
        if h0 is None:
            h0 = xs.new_zeros(xs.size(0), self.size)
        h, ys = h0, []
        for x in xs.unbind(1):
            zx, rx, nx = torch.chunk(self.x2h(x), 3, dim=-1)
            zh, rh, nh = torch.chunk(self.h2h(h), 3, dim=-1)
            update = torch.sigmoid(zx + zh)
            reset = torch.sigmoid(rx + rh)
            new = torch.tanh(nx + reset * nh)
            h = torch.lerp(new, h, update)
            ys.append(h)
        return torch.stack(ys, 1), h


class X2HGRU1(X2HGRU):
    def forward(self, xs, h0=None):
        if h0 is None:
            h0 = xs.new_zeros(xs.size(0), self.size)
        h, ys = h0, []
        for x in xs.unbind(1):
            zx, rx, nx = torch.chunk(self.x2h(x), 3, dim=-1)
            zh, rh, nh = torch.chunk(self.h2h(h), 3, dim=-1)
            update = torch.sigmoid(zx + zh)
            reset = torch.sigmoid(rx)
            new = torch.tanh(nx + reset * nh)
            h = torch.lerp(new, h, update)
            ys.append(h)
        return torch.stack(ys, 1), h


class X2HGRU2(X2HGRU):
    def forward(self, xs, h0=None):
        if h0 is None:
            h0 = xs.new_zeros(xs.size(0), self.size)
        h, ys = h0, []
        for x in xs.unbind(1):
            zx, rx, nx = torch.chunk(self.x2h(x), 3, dim=-1)
            zh, rh, nh = torch.chunk(self.h2h(h), 3, dim=-1)
            update = torch.sigmoid(zx + zh)
            reset = torch.sigmoid(rx + rh)
            new = torch.tanh(nx + reset * nh)
            h = torch.lerp(new, h, update)
            ys.append(h)
        return torch.stack(ys, 1), ys[-2] if len(ys) > 1 else h0


class TorchNamedLSTM(nn.Module):
    def __init__(self, input_size, hidden_size, bias=True, batch_first=False):
        super().__init__()
        self.input_size, self.hidden_size, self.bias, self.batch_first = input_size, hidden_size, bias, batch_first
        self.weight_ih_l0 = nn.Parameter(torch.empty(4 * hidden_size, input_size))
        self.weight_hh_l0 = nn.Parameter(torch.empty(4 * hidden_size, hidden_size))
        if bias:
            self.bias_ih_l0 = nn.Parameter(torch.empty(4 * hidden_size))
            self.bias_hh_l0 = nn.Parameter(torch.empty(4 * hidden_size))
        for p in self.parameters():
            nn.init.uniform_(p, -(hidden_size**-0.5), hidden_size**-0.5)

    def forward(self, input, hx=None):
        x = input.transpose(0, 1) if self.batch_first else input
        if hx is None:
            h = c = x.new_zeros(x.shape[1], self.hidden_size)
        else:
            h, c = hx[0][0], hx[1][0]
        pre = x @ self.weight_ih_l0.T
        if self.bias:
            pre = pre + self.bias_ih_l0 + self.bias_hh_l0
        out = []
        for p in pre:
            i, f, g, o = (p + h @ self.weight_hh_l0.T).chunk(4, -1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            out.append(h)
        out = torch.stack(out, 1 if self.batch_first else 0)
        return out, (h[None], c[None])


class TorchNamedLSTM1(TorchNamedLSTM):
    def forward(self, input, hx=None):
        x = input.transpose(0, 1) if self.batch_first else input
        if hx is None:
            h = c = x.new_zeros(x.shape[1], self.hidden_size)
        else:
            h, c = hx[0][0], hx[1][0]
        pre = x @ self.weight_ih_l0.T
        if self.bias:
            pre = pre + self.bias_ih_l0 + self.bias_hh_l0
        out = []
        for p in pre:
            i, f, o, g = (p + h @ self.weight_hh_l0.T).chunk(4, -1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            out.append(h)
        out = torch.stack(out, 1 if self.batch_first else 0)
        return out, (h[None], c[None])


class TorchNamedLSTM2(TorchNamedLSTM):
    def forward(self, input, hx=None):
        x = input.transpose(0, 1) if self.batch_first else input
        if hx is None:
            h = c = x.new_zeros(x.shape[1], self.hidden_size)
        else:
            h, c = hx[0][0], hx[1][0]
        pre = x @ self.weight_ih_l0.T
        if self.bias:
            pre = pre + self.bias_ih_l0
        out = []
        for p in pre:
            i, f, g, o = (p + h @ self.weight_hh_l0.T).chunk(4, -1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            out.append(h)
        out = torch.stack(out, 1 if self.batch_first else 0)
        return out, (h[None], c[None])


class ManyGatesLSTM(nn.Module):
    def __init__(self, d_in, d_out):
        super().__init__()
        self.d_out = d_out
        self.x = nn.ModuleDict({k: nn.Linear(d_in, d_out, bias=False) for k in ("forget", "input", "output", "cell")})
        self.h = nn.ModuleDict({k: nn.Linear(d_out, d_out) for k in ("forget", "input", "output", "cell")})

    def gate(self, name, x, h):
        return self.x[name](x) + self.h[name](h)

    def forward(self, x, state=None):
        h, c = state or (x.new_zeros(x.shape[1], self.d_out), x.new_zeros(x.shape[1], self.d_out))
        ys = []
        for t in range(len(x)):
            forget = self.gate("forget", x[t], h).sigmoid()
            write = self.gate("input", x[t], h).sigmoid()
            read = self.gate("output", x[t], h).sigmoid()
            c = forget * c + write * self.gate("cell", x[t], h).tanh()
            h = read * c.tanh()
            ys += [h]
        return torch.stack(ys), (h, c)


class ManyGatesLSTM1(ManyGatesLSTM):
    def forward(self, x, state=None):
        h, c = state or (x.new_zeros(x.shape[1], self.d_out), x.new_zeros(x.shape[1], self.d_out))
        ys = []
        for t in range(len(x)):
            forget = self.gate("forget", x[t], h).sigmoid()
            read = self.gate("output", x[t], h).sigmoid()
            c = forget * c + (1 - forget) * self.gate("cell", x[t], h).tanh()
            h = read * c.tanh()
            ys += [h]
        return torch.stack(ys), (h, c)


class ManyGatesLSTM2(ManyGatesLSTM):
    def forward(self, x, state=None):
        h, c = state or (x.new_zeros(x.shape[1], self.d_out), x.new_zeros(x.shape[1], self.d_out))
        ys = []
        for t in range(len(x)):
            forget = self.gate("forget", x[t], h).sigmoid()
            write = self.gate("input", x[t], h).sigmoid()
            read = self.gate("output", x[t - 1], h).sigmoid()
            c = forget * c + write * self.gate("cell", x[t], h).tanh()
            h = read * c.tanh()
            ys += [h]
        return torch.stack(ys), (h, c)


class LeakyGRU(nn.Module):
    """h' = (1 - z) h + z n: the update gate lets the new in."""

    def __init__(self, n_in, n_units):
        super().__init__()
        self.z_x, self.z_h = nn.Linear(n_in, n_units), nn.Linear(n_units, n_units)
        self.r_x, self.r_h = nn.Linear(n_in, n_units), nn.Linear(n_units, n_units)
        self.n_x, self.n_h = nn.Linear(n_in, n_units), nn.Linear(n_units, n_units)

    def step(self, x, h):
        z = torch.sigmoid(self.z_x(x) + self.z_h(h))
        r = torch.sigmoid(self.r_x(x) + self.r_h(h))
        n = torch.tanh(self.n_x(x) + r * self.n_h(h))
        return (1 - z) * h + z * n

    def forward(self, x, h=None):
        h = torch.zeros_like(self.z_x(x[0])) if h is None else h.squeeze(0)
        y = []
        for x_t in x:
            h = self.step(x_t, h)
            y.append(h)
        return torch.stack(y), h.unsqueeze(0)


class LeakyGRU1(LeakyGRU):
    def step(self, x, h):
        z = torch.sigmoid(self.z_x(x) + self.z_h(h))
        r = torch.sigmoid(self.r_x(x) + self.r_h(h))
        n = torch.tanh(self.n_x(x) + (1 - r) * self.n_x(x) + r * self.n_h(h))
        return (1 - z) * h + z * n


class LeakyGRU2(LeakyGRU):
    def forward(self, x, h=None):
        h = torch.zeros_like(self.z_x(x[0]))
        y = []
        for x_t in x:
            h = self.step(x_t, h)
            y.append(h)
        return torch.stack(y), h.unsqueeze(0)
