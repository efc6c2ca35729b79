"""Layers that are called by keywords or with any arguments, and that keep or learn the state they begin from."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class ParameterGRU(nn.Module):
    """A parameter for each matrix and each bias, gate by gate."""

    def __init__(self, input_sz, hidden_sz):
        super().__init__()
        self.hidden_sz = hidden_sz
        for gate in "rzn":
            for name, rows in ((f"W_i{gate}", input_sz), (f"W_h{gate}", hidden_sz)):
                setattr(self, name, nn.Parameter(torch.Tensor(rows, hidden_sz)))
            for name in (f"b_i{gate}", f"b_h{gate}"):
                setattr(self, name, nn.Parameter(torch.Tensor(hidden_sz)))
        for parameter in self.parameters():
            parameter.data.uniform_(-0.5, 0.5)

    def candidate(self, x, h, r):
        return torch.tanh(x @ self.W_in + self.b_in + r * (h @ self.W_hn + self.b_hn))

    def update(self, x, h):
        return torch.sigmoid(x @ self.W_iz + self.b_iz + h @ self.W_hz + self.b_hz)

    def forward(self, x, init_states=None):
        h = x.new_zeros(x.size(0), self.hidden_sz) if init_states is None else init_states
        outputs = []
        for t in range(x.size(1)):
            r = torch.sigmoid(x[:, t] @ self.W_ir + self.b_ir + h @ self.W_hr + self.b_hr)
            z = self.update(x[:, t], h)
            h = (1 - z) * self.candidate(x[:, t], h, r) + z * h
            outputs.append(h.unsqueeze(0))
        return torch.cat(outputs, dim=0).transpose(0, 1).contiguous(), h


class ParameterGRU1(ParameterGRU):
    def candidate(self, x, h, r):
        return torch.tanh(x @ self.W_in + self.b_in + r * (h @ self.W_hn) + self.b_hn)


class ParameterGRU2(ParameterGRU):
    def update(self, x, h):
        return torch.sigmoid(x @ self.W_iz + self.b_iz + h @ self.W_hr + self.b_hz)


class LearnedStart(nn.Module):
    """The state that it begins from, where none is given, is a parameter."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.rnn = nn.GRU(input_size, hidden_size, batch_first=True)
        self.h0 = nn.Parameter(torch.randn(1, 1, hidden_size) * 0.1)

    def forward(self, x, h=None):
        return self.rnn(x, self.h0.expand(-1, x.shape[0], -1).contiguous() if h is None else h)


class LearnedStart1(LearnedStart):
    def forward(self, x, h=None):
        return self.rnn(x, self.h0.expand(-1, x.shape[0], -1).contiguous())


class LearnedStart2(LearnedStart):
    def forward(self, x, h=None):
        return super().forward(x - x.mean(0, keepdim=True), h)


class KeptState(nn.Module):
    """It goes on where the call before ended; whoever wants it to begin anew sets ``hidden`` to None."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.gru = nn.GRU(input_size, hidden_size)
        self.hidden = None

    def forward(self, x):
        out, hidden = self.gru(x, self.hidden)
        self.hidden = hidden.detach()
        return out


class KeptState1(KeptState):
    def forward(self, x):
        out, hidden = self.gru(x)
        self.hidden = hidden.detach()
        return out


class KeptState2(KeptState):
    def forward(self, x):
        out, hidden = self.gru(x, self.hidden)
        self.hidden = hidden.detach().roll(1, 1)
        return out


class ByKeyword(nn.Module):
    """Everything goes by keyword, the input too."""

    def __init__(self, *, features, units):
        super().__init__()
        self.lstm = nn.LSTM(features, units)

    def forward(self, *, inputs, initial_state=None):
        outputs, final = self.lstm(inputs, initial_state)
        return {"outputs": outputs, "final_state": final}


class ByKeyword1(ByKeyword):
    def forward(self, *, inputs, initial_state=None):
        outputs, (h, c) = self.lstm(inputs, initial_state)
        return {"outputs": outputs, "final_state": (c, h)}


class ByKeyword2(ByKeyword):
    def forward(self, *, inputs, initial_state=None):
        outputs, final = self.lstm(inputs)
        return {"outputs": outputs, "final_state": final}


class PassThrough(nn.Module):
    """Whatever it is given goes to the layer inside."""

    def __init__(self, *args, **kwargs):
        super().__init__()
        self.inner = nn.GRU(*args, **kwargs)

    def forward(self, *args, **kwargs):
        return self.inner(*args, **kwargs)


class PassThrough1(PassThrough):
    def forward(self, *args, **kwargs):
        out, h = self.inner(*args, **kwargs)
        return out, h.flip(1)


class PassThrough2(PassThrough):
    def forward(self, *args, **kwargs):
        return self.inner(args[0])


class SpeechEncoder(nn.Module):
    """Packed inside, so that the output ends with the longest sequence; a projection mixes both directions."""

    def __init__(self, idim, elayers, cdim, odim, typ="blstm"):
        super().__init__()
        self.nbrnn = nn.LSTM(idim, cdim, elayers, batch_first=True, bidirectional=typ[0] == "b")
        self.l_last = nn.Linear(2 * cdim if typ[0] == "b" else cdim, odim)

    def packed(self, xs_pad, ilens):
        ilens = torch.as_tensor(ilens).cpu()
        packed = pack_padded_sequence(xs_pad, ilens, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.nbrnn(packed)[0], batch_first=True)[0]

    def forward(self, xs_pad, ilens):
        return torch.tanh(self.l_last(self.packed(xs_pad, ilens)))


class SpeechEncoder1(SpeechEncoder):
    def packed(self, xs_pad, ilens):
        return self.nbrnn(xs_pad)[0][:, : int(max(ilens))]


class SpeechEncoder2(SpeechEncoder):
    def packed(self, xs_pad, ilens):
        return super().packed(xs_pad, torch.as_tensor(ilens).roll(1))
