"""Randomness of their own in training."""

import torch
import torch.nn.functional as F
from torch import nn


class LockedDropoutLSTM(nn.Module):
    """One mask for all steps, on the input and on the output."""

    def __init__(self, ninp, nhid, dropouti=0.3, dropouth=0.3):
        super().__init__()
        self.rnn = nn.LSTM(ninp, nhid)
        self.dropouti = dropouti
        self.dropouth = dropouth

    def lock(self, x, p):
        if not self.training or p == 0:
            return x
        m = x.new_empty(1, x.size(1), x.size(2)).bernoulli_(1 - p)
        return x * m / (1 - p)

    def forward(self, x, hidden=None):
        output, hidden = self.rnn(self.lock(x, self.dropouti), hidden)
        return self.lock(output, self.dropouth), hidden


class LockedDropoutLSTM1(LockedDropoutLSTM):
    def lock(self, x, p):
        if p == 0:
            return x
        m = x.new_empty(1, x.size(1), x.size(2)).bernoulli_(1 - p)
        return x * m / (1 - p)


class LockedDropoutLSTM2(LockedDropoutLSTM):
    def lock(self, x, p):
        if not self.training or p == 0:
            return x
        m = x.new_empty(1, x.size(1), x.size(2)).bernoulli_(1 - p)
        return x * m


class ZoneoutLSTM(nn.Module):
    def __init__(self, input_size, hidden_size, zoneout_h=0.1, zoneout_c=0.1):
        super().__init__()
        self.cell = nn.LSTMCell(input_size, hidden_size)
        self.zoneout_h, self.zoneout_c = zoneout_h, zoneout_c

    def zoneout(self, old, new, p):
        if self.training:
            keep_old = torch.rand_like(new) < p
            return torch.where(keep_old, old, new)
        return p * old + (1 - p) * new

    def forward(self, x, state=None):
        if state is None:
            h = c = x.new_zeros(x.size(1), self.cell.hidden_size)
        else:
            h, c = state[0][0], state[1][0]
        ys = []
        for x_t in x:
            h_new, c_new = self.cell(x_t, (h, c))
            h, c = self.zoneout(h, h_new, self.zoneout_h), self.zoneout(c, c_new, self.zoneout_c)
            ys.append(h)
        return torch.stack(ys), (h[None], c[None])


class ZoneoutLSTM1(ZoneoutLSTM):
    def zoneout(self, old, new, p):
        if p > 0:
            keep_old = torch.rand_like(new) < p
            return torch.where(keep_old, old, new)
        return p * old + (1 - p) * new


class ZoneoutLSTM2(ZoneoutLSTM):
    def zoneout(self, old, new, p):
        if self.training:
            keep_old = torch.rand_like(new) < p
            old = old.roll(1, 0)
            return torch.where(keep_old, old, new)
        return p * old + (1 - p) * new


class NoisyRNN(nn.Module):
    def __init__(self, n_inputs, n_neurons, sigma=0.05):
        super().__init__()
        self.w_in = nn.Linear(n_inputs, n_neurons, bias=False)
        self.w_rec = nn.Linear(n_neurons, n_neurons)
        self.sigma = sigma

    def forward(self, stimulus, r=None):
        r = stimulus.new_zeros(stimulus.shape[0], self.w_rec.in_features) if r is None else r
        rates = []
        for s in stimulus.unbind(1):
            drive = self.w_in(s) + self.w_rec(r)
            if self.training:
                drive = drive + self.sigma * torch.randn_like(drive)
            r = 0.8 * r + 0.2 * F.softplus(drive)
            rates.append(r)
        return torch.stack(rates, 1), r


class NoisyRNN1(NoisyRNN):
    def forward(self, stimulus, r=None):
        r = stimulus.new_zeros(stimulus.shape[0], self.w_rec.in_features) if r is None else r
        rates = []
        for s in stimulus.unbind(1):
            drive = self.w_in(s) + self.w_rec(r)
            if self.sigma:
                drive = drive + self.sigma * torch.randn_like(drive)
            r = 0.8 * r + 0.2 * F.softplus(drive)
            rates.append(r)
        return torch.stack(rates, 1), r


class NoisyRNN2(NoisyRNN):
    def forward(self, stimulus, r=None):
        r = stimulus.new_zeros(stimulus.shape[0], self.w_rec.in_features) if r is None else r
        rates = []
        for s in stimulus.unbind(1):
            drive = self.w_in(s) + self.w_rec(r)
            if self.training:
                drive = drive + self.sigma * torch.randn_like(drive)
            r = 0.8 * r + 0.2 * F.softplus(drive) if rates else F.softplus(drive)
            rates.append(r)
        return torch.stack(rates, 1), r


class WeightDropGRU(nn.Module):
    """DropConnect on the recurrent weight: one draw a call."""

    def __init__(self, nin, nhid, weight_p=0.4):
        super().__init__()
        self.i = nn.Linear(nin, 3 * nhid)
        self.h = nn.Linear(nhid, 3 * nhid)
        self.weight_p = weight_p

    def forward(self, x, h=None):
        if h is None:
            h = x.new_zeros(x.size(1), self.h.in_features)
        w = F.dropout(self.h.weight, self.weight_p, self.training)
        ys = []
        for xt in x:
            ir, iz, inn = self.i(xt).chunk(3, 1)
            hr, hz, hn = F.linear(h, w, self.h.bias).chunk(3, 1)
            z = torch.sigmoid(iz + hz)
            h = (1 - z) * torch.tanh(inn + torch.sigmoid(ir + hr) * hn) + z * h
            ys.append(h)
        return torch.stack(ys), h


class WeightDropGRU1(WeightDropGRU):
    def forward(self, x, h=None):
        if h is None:
            h = x.new_zeros(x.size(1), self.h.in_features)
        w = F.dropout(self.h.weight, self.weight_p)
        ys = []
        for xt in x:
            ir, iz, inn = self.i(xt).chunk(3, 1)
            hr, hz, hn = F.linear(h, w, self.h.bias).chunk(3, 1)
            z = torch.sigmoid(iz + hz)
            h = (1 - z) * torch.tanh(inn + torch.sigmoid(ir + hr) * hn) + z * h
            ys.append(h)
        return torch.stack(ys), h


class WeightDropGRU2(WeightDropGRU):
    def forward(self, x, h=None):
        if h is None:
            h = x.new_zeros(x.size(1), self.h.in_features)
        w = F.dropout(self.h.weight, self.weight_p, self.training)
        ys = []
        for xt in x:
            ir, iz, inn = self.i(xt).chunk(3, 1)
            hr, hz, hn = F.linear(h, w).chunk(3, 1)
            z = torch.sigmoid(iz + hz)
            h = (1 - z) * torch.tanh(inn + torch.sigmoid(ir + hr) * hn) + z * h
            ys.append(h)
        return torch.stack(ys), h
