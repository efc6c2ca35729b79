"""Functions and factories, without a class or with a class inside."""

import torch
from torch import nn


def init_lstm(vocab_size, num_hiddens):
    shapes = [(vocab_size, num_hiddens), (num_hiddens, num_hiddens), (num_hiddens,)] * 4
    return [(torch.randn(s) * 0.3).requires_grad_() for s in shapes]


def lstm(inputs, state, params):
    [W_xi, W_hi, b_i, W_xf, W_hf, b_f, W_xo, W_ho, b_o, W_xc, W_hc, b_c] = params
    (H, C) = state
    outputs = []
    for X in inputs:
        I = torch.sigmoid((X @ W_xi) + (H @ W_hi) + b_i)
        F = torch.sigmoid((X @ W_xf) + (H @ W_hf) + b_f)
        O = torch.sigmoid((X @ W_xo) + (H @ W_ho) + b_o)
        C_tilda = torch.tanh((X @ W_xc) + (H @ W_hc) + b_c)
        C = F * C + I * C_tilda
        H = O * torch.tanh(C)
        outputs.append(H)
    return torch.stack(outputs), (H, C)


def lstm1(inputs, state, params):
    [W_xi, W_hi, b_i, W_xf, W_hf, b_f, W_xo, W_ho, b_o, W_xc, W_hc, b_c] = params
    (H, C) = state
    outputs = []
    for X in inputs:
        I = torch.sigmoid((X @ W_xi) + (H @ W_hi) + b_i)
        F = torch.sigmoid((X @ W_xf) + (H @ W_hf) + b_f)
        O = torch.sigmoid((X @ W_xo) + (H @ W_hi) + b_o)
        C_tilda = torch.tanh((X @ W_xc) + (H @ W_hc) + b_c)
        C = F * C + I * C_tilda
        H = O * torch.tanh(C)
        outputs.append(H)
    return torch.stack(outputs), (H, C)


def lstm2(inputs, state, params):
    [W_xi, W_hi, b_i, W_xf, W_hf, b_f, W_xo, W_ho, b_o, W_xc, W_hc, b_c] = params
    (C, H) = state
    outputs = []
    for X in inputs:
        I = torch.sigmoid((X @ W_xi) + (H @ W_hi) + b_i)
        F = torch.sigmoid((X @ W_xf) + (H @ W_hf) + b_f)
        O = torch.sigmoid((X @ W_xo) + (H @ W_ho) + b_o)
        C_tilda = torch.tanh((X @ W_xc) + (H @ W_hc) + b_c)
        C = F * C + I * C_tilda
        H = O * torch.tanh(C)
        outputs.append(H)
    return torch.stack(outputs), (H, C)


def init_gru(n_in, n_out):
    return {k + g: torch.randn(n, n_out) * 0.3 for k, n in (("x", n_in), ("h", n_out)) for g in "rzn"}


def gru_scan(w, x, h0):
    def step(h, v):
        r = torch.sigmoid(v @ w["xr"] + h @ w["hr"])
        z = torch.sigmoid(v @ w["xz"] + h @ w["hz"])
        n = torch.tanh(v @ w["xn"] + r * (h @ w["hn"]))
        return (1 - z) * n + z * h

    hs = [h0]
    for v in x:
        hs.append(step(hs[-1], v))
    return hs[-1], torch.stack(hs[1:])


def gru_scan1(w, x, h0):
    def step(h, v):
        r = torch.sigmoid(v @ w["xr"] + h @ w["hr"])
        z = torch.sigmoid(v @ w["xz"] + h @ w["hz"])
        n = torch.tanh(v @ w["xn"] + r * (h @ w["hn"]))
        return (1 - z) * n + z * h

    hs = [h0]
    for v in x:
        hs.append(step(hs[-1], v))
    return hs[-1], torch.stack(hs[:-1])


def gru_scan2(w, x, h0):
    def step(h, v):
        r = torch.sigmoid(v @ w["xr"] + h @ w["hr"])
        z = torch.sigmoid(v @ w["xz"] + h @ w["hz"])
        n = torch.tanh(v @ w["xn"] + r * (h @ w["hn"]))
        return n + z * h

    hs = [h0]
    for v in x:
        hs.append(step(hs[-1], v))
    return hs[-1], torch.stack(hs[1:])


def make_encoder(n_in=3, n_out=4, cell="gru"):
    """A factory: the class is not seen from outside."""
    kind = {"gru": nn.GRUCell, "rnn": nn.RNNCell}[cell]

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = kind(n_in, n_out)

        def forward(self, x, state=None):
            out = []
            for x_t in x:
                state = self.cell(x_t, state)
                out.append(state)
            return torch.stack(out), state

    return Encoder()


def make_encoder1(n_in=3, n_out=4, cell="gru"):
    """A factory: the class is not seen from outside."""
    kind = {"gru": nn.GRUCell, "rnn": nn.RNNCell}[cell]

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = kind(n_in, n_out)

        def forward(self, x, state=None):
            out, state = [], None
            for x_t in x:
                state = self.cell(x_t, state)
                out.append(state)
            return torch.stack(out), state

    return Encoder()


def make_encoder2(n_in=3, n_out=4, cell="gru"):
    """A factory: the class is not seen from outside."""
    kind = {"gru": nn.GRUCell, "rnn": nn.RNNCell}[cell]

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = kind(n_in, n_out)

        def forward(self, x, state=None):
            out = []
            for x_t in x:
                state = self.cell(x_t, None if state is None else state.detach())
                out.append(state)
            return torch.stack(out), state

    return Encoder()
