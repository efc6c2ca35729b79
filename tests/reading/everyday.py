"""Right layers of everyday code, with their mistakes: of two sequences, of rows of pixels, and in orders of their own."""

import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm


class TimeInBatchOut(nn.Module):
    """(time, batch, features) in, and (batch, time, features) out."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell, self.hidden_size = nn.LSTMCell(input_size, hidden_size), hidden_size

    def began(self, x, state):
        return (x.new_zeros(x.shape[1], self.hidden_size),) * 2 if state is None else state

    def forward(self, x, state=None):
        (h, c), outputs = self.began(x, state), []
        for x_t in x:
            h, c = self.cell(x_t, (h, c))
            outputs.append(h)
        return torch.stack(outputs, 1), (h, c)


class TimeInBatchOutWrong(TimeInBatchOut):
    """The cell that is given is not used."""

    def began(self, x, state):
        h, c = super().began(x, state)
        return h, torch.zeros_like(c)


class Scores(nn.Module):
    """(time, batch, features) in, and a number for each step of each sequence out, (batch, time)."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.gru, self.out = nn.GRU(input_size, hidden_size), nn.Linear(hidden_size, 1)

    def forward(self, x):
        return self.out(self.gru(x)[0]).squeeze(-1).T


class ScoresWrong(Scores):
    """The scores of all steps add up to one."""

    def forward(self, x):
        return super().forward(x).softmax(1)


class Heads(nn.Module):
    """A state (batch, heads, features of a head): each head has a recurrence of its own."""

    def __init__(self, dim_in, dim, heads=2):
        super().__init__()
        assert dim % heads == 0
        self.heads, self.gates = heads, nn.Linear(dim_in, 2 * dim)
        self.back = nn.Parameter(torch.randn(heads, 2, dim // heads, dim // heads) * 0.3)

    def goes_on(self, h):
        return h

    def forward(self, x, state=None):
        gates = self.gates(x).unflatten(-1, (2, self.heads, -1))
        h, outputs = gates.new_zeros(gates[:, 0, 0].shape) if state is None else state, []
        for t in range(x.shape[1]):
            back = torch.einsum("bhd,hgde->gbhe", h, self.back)
            h = torch.lerp(h, torch.tanh(gates[:, t, 1] + back[1]), torch.sigmoid(gates[:, t, 0] + back[0]))
            outputs.append(h.flatten(1))
        return torch.stack(outputs, 1), self.goes_on(h)


class HeadsWrong(Heads):
    """The heads of the final state are exchanged."""

    def goes_on(self, h):
        return h.flip(1)


class Translator(nn.Module):
    """An encoder, and a decoder of another sequence that begins where the encoder ended."""

    def __init__(self, input_dim, output_dim, hidden_dim):
        super().__init__()
        self.encoder = nn.LSTM(input_dim, hidden_dim, batch_first=True)
        self.decoder = nn.LSTM(output_dim, hidden_dim, batch_first=True)
        self.out = nn.Linear(hidden_dim, output_dim)

    def forward(self, src, tgt):
        _, state = self.encoder(src)
        return self.out(self.decoder(tgt, state)[0])


class TranslatorUpwards(Translator):
    """The decoder reads its targets from the end."""

    def forward(self, src, tgt):
        return super().forward(src, tgt.flip(1))


class TranslatorOfTheBatch(Translator):
    def forward(self, src, tgt):
        return super().forward(src, tgt - tgt.mean(0))


class TimeFirstTranslator(nn.Module):
    """The same over (time, batch, features): a sequence of one step looks like a state (1, batch, features)."""

    def __init__(self, src_dim, tgt_dim, hidden_dim):
        super().__init__()
        self.encoder, self.decoder = nn.GRU(src_dim, hidden_dim), nn.GRU(tgt_dim, hidden_dim)
        self.out = nn.Linear(hidden_dim, tgt_dim)

    def forward(self, src, tgt):
        _, h = self.encoder(src)
        return self.out(self.decoder(tgt, h)[0])


class TimeFirstTranslatorUpwards(TimeFirstTranslator):
    def forward(self, src, tgt):
        return super().forward(src, tgt.flip(0))


class Forecaster(nn.Module):
    """Series and covariates of widths of their own, in front of the hidden size."""

    def __init__(self, n_series, n_covariates, hidden_size):
        super().__init__()
        self.lstm, self.out = nn.LSTM(n_series + n_covariates, hidden_size, batch_first=True), nn.Linear(hidden_size, n_series)

    def seen(self, covariates):
        return covariates

    def forward(self, x, covariates):
        return self.out(self.lstm(torch.cat([x, self.seen(covariates)], -1))[0])


class ForecasterOfTheBatch(Forecaster):
    def seen(self, covariates):
        return covariates - covariates.mean(0)


class TokenTranslator(nn.Module):
    """The same with a table of vectors for each language, step by step."""

    def __init__(self, src_vocab_size, tgt_vocab_size, emb_size, hidden_size):
        super().__init__()
        self.src_emb, self.tgt_emb = nn.Embedding(src_vocab_size, emb_size), nn.Embedding(tgt_vocab_size, emb_size)
        self.encoder, self.cell = nn.GRU(emb_size, hidden_size), nn.GRUCell(emb_size, hidden_size)
        self.out = nn.Linear(hidden_size, tgt_vocab_size)

    def at(self, tokens, step):
        return tokens[step]

    def forward(self, src, tgt):
        h, outputs = self.encoder(self.src_emb(src))[1][0], []
        for step in range(len(tgt)):
            h = self.cell(self.tgt_emb(self.at(tgt, step)), h)
            outputs.append(self.out(h))
        return torch.stack(outputs)


class TokenTranslatorOneLate(TokenTranslator):
    """A step reads the target that it is to predict."""

    def at(self, tokens, step):
        return tokens[min(step + 1, len(tokens) - 1)]


class Strip(nn.Module):
    """A convolutional LSTM over (batch, time, channels, length)."""

    def __init__(self, in_channels, out_channels, kernel_size=3, padding=1):
        super().__init__()
        self.out_channels = out_channels
        self.conv = nn.Conv1d(in_channels + out_channels, 4 * out_channels, kernel_size, padding=padding)

    def goes_on(self, c):
        return c

    def forward(self, x):
        h = c = x.new_zeros(len(x), self.out_channels, x.shape[-1])
        outputs = []
        for x_t in x.unbind(1):
            i, f, o, g = self.conv(torch.cat([x_t, h], 1)).chunk(4, 1)
            c = f.sigmoid() * self.goes_on(c) + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            outputs.append(h)
        return torch.stack(outputs, 1)


class StripOfTheNextRow(Strip):
    def goes_on(self, c):
        return c.roll(1, 0)


class StripDetached(Strip):
    def goes_on(self, c):
        return c.detach()


class Normed(nn.Module):
    """A GRU whose weights are a direction and a length: a row of zeros has none, so that such weights cannot be given to it."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.x = weight_norm(nn.Linear(input_size, 3 * hidden_size))
        self.h = weight_norm(nn.Linear(hidden_size, 3 * hidden_size))

    def new(self, r, z, n, h):
        return (1 - z) * n + z * h

    def forward(self, x, h=None):
        h, outputs = x.new_zeros(x.shape[1], self.h.in_features) if h is None else h, []
        for x_t in x:
            (xr, xz, xn), (hr, hz, hn) = self.x(x_t).chunk(3, -1), self.h(h).chunk(3, -1)
            r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
            h = self.new(r, z, torch.tanh(xn + r * hn), h)
            outputs.append(h)
        return torch.stack(outputs), h


class NormedDetached(Normed):
    def new(self, r, z, n, h):
        return super().new(r, z, n, h.detach())


class WithContext(nn.Module):
    """An argument that may be left out has a width of its own, which is the number of rows in rnncheck's experiments."""

    def __init__(self, input_size, hidden_size, context_size=3):
        super().__init__()
        self.gru, self.read_in = nn.GRU(input_size, hidden_size), nn.Linear(context_size, hidden_size)

    def begun(self, h):
        return h

    def forward(self, x, h=None, context=None):
        y, h = self.gru(x, self.begun(h))
        return y if context is None else y + self.read_in(context), h


class WithContextAlwaysNew(WithContext):
    def begun(self, h):
        return None


LAYERS = {
    Normed: ("(time, batch, features), state h", NormedDetached),
    WithContext: ("not looked at: parameter read_in.bias, parameter read_in.weight, argument context", WithContextAlwaysNew),
    Translator: ("tgt is the input, beside it src", TranslatorUpwards, TranslatorOfTheBatch),
    TimeFirstTranslator: ("(time, batch, features), no state comes back, tgt is the input", TimeFirstTranslatorUpwards),
    Forecaster: ("(batch, time, features), no state comes back, beside it covariates", ForecasterOfTheBatch),
    TokenTranslator: ("token ids, each with a vector of the input, tgt is the input", TokenTranslatorOneLate),
    Strip: ("(batch, time, features), no state comes back, each feature a channel of a row of pixels", StripOfTheNextRow,
            StripDetached),
    Heads: ("(batch, time, features), state h, not looked at: hidden_size that is no multiple of 2", HeadsWrong),
    TimeInBatchOut: ("(time, batch, features), state (h, c), output (batch, time, features)", TimeInBatchOutWrong),
    Scores: ("output (batch, time, features), each output is a number", ScoresWrong),
}  # fmt: skip
"""Each right layer, with what is said of how it is read and with its mistakes."""
