"""Right layers as research code has them, each with two mistakes of its own."""

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm


class NormedGates(nn.Module):
    """A light gated unit for speech, with batch norm on what the input gives its gates."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.w = nn.Linear(input_size, 2 * hidden_size, bias=False)
        self.u = nn.Linear(hidden_size, 2 * hidden_size, bias=False)
        self.norm = nn.BatchNorm1d(2 * hidden_size, momentum=0.05)

    def forward(self, x, h=None):
        gates = self.norm(self.w(x).flatten(0, 1)).unflatten(0, x.shape[:2])
        h = x.new_zeros(len(x), self.u.in_features) if h is None else h
        ys = []
        for gate in gates.unbind(1):
            a, z = (gate + self.u(h)).chunk(2, -1)
            z = torch.sigmoid(z)
            h = z * h + (1 - z) * self.candidate(a)
            ys.append(h)
        return torch.stack(ys, 1), h

    def candidate(self, a):
        return torch.relu(a)


class NormedGatesByRow(NormedGates):
    """The numbers of the other rows are in each candidate, in eval() too."""

    def candidate(self, a):
        return torch.relu(a - a.mean(0))


class NormedGatesForget(NormedGates):
    """The state that is given has no effect."""

    def forward(self, x, h=None):
        return super().forward(x)


class Bounded(nn.Module):
    """An Elman network whose recurrent matrix has a largest singular value of 1: each call in training goes on estimating it."""

    def __init__(self, d_in, d_hidden):
        super().__init__()
        self.w_in, self.w_rec = nn.Linear(d_in, d_hidden), spectral_norm(nn.Linear(d_hidden, d_hidden, bias=False))

    def forward(self, x, h0=None):
        h, ys = x.new_zeros(x.shape[1], self.w_in.out_features) if h0 is None else h0, []
        recurrent = self.w_rec.weight
        for step in x:
            h = torch.tanh(self.w_in(step) + h @ recurrent.T)
            ys.append(h)
        return torch.stack(ys), h


class BoundedByRow(Bounded):
    """Rows are mixed."""

    def forward(self, x, h0=None):
        return super().forward(x - x.mean(1, keepdim=True), h0)


class BoundedForgets(Bounded):
    """The state that is given has no effect."""

    def forward(self, x, h0=None):
        return super().forward(x)


class ValueOfEach(nn.Module):
    """A critic: one number for each step and row, with no axis of features."""

    def __init__(self, obs_dim, hidden_dim):
        super().__init__()
        self.core, self.value = nn.GRU(obs_dim, hidden_dim), nn.Linear(hidden_dim, 1)

    def forward(self, obs, h=None):
        y, h = self.core(obs, h)
        return self.value(y).squeeze(-1), h


class ValueOfTheFirst(ValueOfEach):
    """Each row is given the numbers of the first."""

    def forward(self, obs, h=None):
        value, h = super().forward(obs, h)
        return value[:, :1].expand_as(value), h


class ValueOfTheNext(ValueOfEach):
    """Each step is given the number of the step behind it."""

    def forward(self, obs, h=None):
        value, h = super().forward(obs, h)
        return torch.cat([value[1:], value[-1:]]), h


class Forecast(nn.Module):
    """An encoder and a decoder that goes on from its own forecasts: (batch, 4 steps ahead, features)."""

    def __init__(self, n_features=1, n_hidden=24):
        super().__init__()
        self.encoder, self.decoder = nn.GRU(n_features, n_hidden, batch_first=True), nn.GRUCell(n_features, n_hidden)
        self.head = nn.Linear(n_hidden, n_features)

    def forward(self, past):
        h, y, ahead = self.encoder(past)[1][0], past[:, -1], []
        for _ in range(4):
            h = self.decoder(y, h)
            y = self.head(h) + y
            ahead.append(y)
        return self.told(torch.stack(ahead, 1))

    def told(self, ahead):
        return ahead


class ForecastOfOthers(Forecast):
    """The last step ahead is the mean of all rows, which only the last features of what comes back show."""

    def told(self, ahead):
        return torch.cat([ahead[:, :-1], ahead[:, -1:].mean(0, keepdim=True).expand_as(ahead[:, -1:])], 1)


class ForecastNotLearned(Forecast):
    """No gradient reaches the encoder through the steps ahead."""

    def told(self, ahead):
        return ahead.detach() + 0 * ahead


class OneUnitAtATime(nn.Module):
    """A cell that returns one number for each row before its state, as a model of a distribution does."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell, self.mu = nn.LSTMCell(input_size, hidden_size), nn.Linear(hidden_size, 1)

    def forward(self, x, hidden, cell):
        hidden, cell = self.cell(x, (hidden, cell))
        return self.mu(hidden)[:, 0], hidden, cell


class OneUnitOfTheFirst(OneUnitAtATime):
    """Each row is given the number of the first."""

    def forward(self, x, hidden, cell):
        mu, hidden, cell = super().forward(x, hidden, cell)
        return mu[:1].expand_as(mu), hidden, cell


class OneUnitNotLearned(OneUnitAtATime):
    """No gradient goes through the cell state from step to step."""

    def forward(self, x, hidden, cell):
        return super().forward(x, hidden, cell.detach())


class Projected(nn.Module):
    """A projection of a size of its own, which cannot be left out as torch's can."""

    def __init__(self, input_size, cell_size, proj_size=4):
        super().__init__()
        self.x, self.r = nn.Linear(input_size, 3 * cell_size), nn.Linear(proj_size, 3 * cell_size, bias=False)
        self.p = nn.Linear(cell_size, proj_size, bias=False)

    def forward(self, x):
        r, c, ys = x.new_zeros(x.shape[1], self.p.out_features), x.new_zeros(x.shape[1], self.p.in_features), []
        for step in x:
            f, o, g = (self.x(step) + self.r(r)).chunk(3, -1)
            f = torch.sigmoid(f)
            c = f * c + (1 - f) * torch.tanh(g)
            r = self.told(self.p(torch.sigmoid(o) * torch.tanh(c)))
            ys.append(r)
        return torch.stack(ys)

    def told(self, r):
        return r


class ProjectedOfOthers(Projected):
    """The last feature is the mean of all rows."""

    def told(self, r):
        return torch.cat([r[:, :-1], r[:, -1:].mean(0, keepdim=True).expand_as(r[:, -1:])], -1)


class ProjectedNotLearned(Projected):
    """No gradient goes from step to step through the projection."""

    def told(self, r):
        return r.detach()


class RowsOfEye(nn.Module):
    """A language model on characters, whose one-hot vectors are rows of the identity."""

    def __init__(self, vocab_size, n_hidden):
        super().__init__()
        self.vocab_size, self.rnn, self.out = vocab_size, nn.RNN(vocab_size, n_hidden), nn.Linear(n_hidden, vocab_size)

    def forward(self, ids, h=None):
        y, h = self.rnn(torch.eye(self.vocab_size)[self.looked_up(ids)], h)
        return self.out(y), h

    def looked_up(self, ids):
        return ids


class RowsOfEyeBefore(RowsOfEye):
    """Each step looks up the token of the step before."""

    def looked_up(self, ids):
        return torch.cat([ids[:1], ids[:-1]])


class RowsOfEyeForget(RowsOfEye):
    """The state that is given has no effect."""

    def forward(self, ids, h=None):
        return super().forward(ids)


class Scattered(nn.Module):
    """One-hot vectors by a scatter, as they were made before there was a function for it."""

    def __init__(self, vocab_size, hidden_size):
        super().__init__()
        self.vocab_size, self.hidden_size, self.cell = vocab_size, hidden_size, nn.GRUCell(vocab_size, hidden_size)

    def forward(self, seq, h=None):
        one_hot = torch.zeros(*seq.shape, self.vocab_size)
        one_hot.scatter_(2, seq.unsqueeze(2), 1.0)
        h = torch.zeros(seq.shape[1], self.hidden_size) if h is None else h
        ys = []
        for x in one_hot:
            h = self.cell(x, self.carried(h))
            ys.append(h)
        return torch.stack(ys), h

    def carried(self, h):
        return h


class ScatteredMixed(Scattered):
    """Each step goes on from the mean state of all rows."""

    def carried(self, h):
        return h.mean(0, keepdim=True).expand_as(h)


class ScatteredNotLearned(Scattered):
    """No gradient goes from step to step."""

    def carried(self, h):
        return h.detach()


class Decays(nn.Module):
    """Values that are missing decay to a mean, and so does the state: three arguments beside the input must be given."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.fade, self.gamma = nn.Parameter(torch.rand(input_size)), nn.Linear(input_size, hidden_size)
        self.cell = nn.GRUCell(2 * input_size, hidden_size)

    def forward(self, x, x_last, mask, delta):
        h, ys = x.new_zeros(len(x), self.cell.hidden_size), []
        for t in range(x.shape[1]):
            kept = torch.exp(-torch.relu(self.fade * delta[:, t]))
            seen = mask[:, t] * x[:, t] + (1 - mask[:, t]) * self.imputed(kept, x_last[:, t])
            h = self.cell(torch.cat([seen, mask[:, t]], 1), torch.exp(-torch.relu(self.gamma(delta[:, t]))) * h)
            ys.append(h)
        return torch.stack(ys, 1)

    def imputed(self, kept, last):
        return kept * last


class DecaysOfAll(Decays):
    """What is missing is the mean of all rows, which is not seen where nothing is missing."""

    def imputed(self, kept, last):
        return (kept * last).mean(0, keepdim=True)


class DecaysOfTheFirst(Decays):
    """What is missing is taken from the first row."""

    def imputed(self, kept, last):
        return (kept * last)[:1]


class BetweenTimes(nn.Module):
    """A state that moves by itself between the times of the observations, which all rows share."""

    def __init__(self, in_features, latent_dim):
        super().__init__()
        self.field, self.update = nn.Linear(latent_dim, latent_dim), nn.GRUCell(in_features, latent_dim)

    def forward(self, data, time_steps):
        h, before, ys = data.new_zeros(len(data), self.update.hidden_size), time_steps[0], []
        for x, now in zip(data.unbind(1), time_steps, strict=True):
            h = self.update(x, self.moved(h, now - before))
            ys.append(h)
            before = now
        return torch.stack(ys, 1)

    def moved(self, h, passed):
        return h + passed * torch.tanh(self.field(h))


class BetweenTimesOfAll(BetweenTimes):
    """What moves the state is the mean of all rows."""

    def moved(self, h, passed):
        return h + passed * torch.tanh(self.field(h)).mean(0, keepdim=True)


class BetweenTimesNotLearned(BetweenTimes):
    """How the state moves is never learned."""

    def moved(self, h, passed):
        return h + passed * torch.tanh(self.field(h)).detach()


class LooksUp(nn.Module):
    """A decoder that looks at a memory of several steps: the argument is no state, though its name may be one."""

    def __init__(self, n_mels, enc_dim):
        super().__init__()
        self.rnn, self.out = nn.GRUCell(n_mels + enc_dim, enc_dim), nn.Linear(enc_dim, n_mels)

    def forward(self, mels, memory):
        h, ys = mels.new_zeros(len(mels), self.rnn.hidden_size), []
        for x in mels.unbind(1):
            attended = self.scores(memory, h).softmax(1).transpose(1, 2) @ memory
            h = self.rnn(torch.cat([x, attended[:, 0]], -1), h)
            ys.append(self.out(h))
        return torch.stack(ys, 1)

    def scores(self, memory, h):
        return memory @ h.unsqueeze(-1)


class LooksUpForAll(LooksUp):
    """Each row looks where the mean state of all rows says."""

    def scores(self, memory, h):
        return memory @ h.mean(0, keepdim=True).expand_as(h).unsqueeze(-1)


class LooksUpNotLearned(LooksUp):
    """The scores of the memory give the state no gradient."""

    def scores(self, memory, h):
        return memory @ h.detach().unsqueeze(-1)


class Symbols(nn.Module):
    """The encoder of a speech synthesizer: its constructor has no hidden size."""

    def __init__(self, n_symbols, embedding_dim=16, n_convolutions=1):
        super().__init__()
        self.embedding = nn.Embedding(n_symbols, embedding_dim)
        sizes = [embedding_dim] * n_convolutions
        self.convolutions = nn.ModuleList(nn.Conv1d(size, size, 3, padding=1) for size in sizes)
        self.lstm = nn.LSTM(embedding_dim, embedding_dim, batch_first=True)

    def forward(self, text):
        x = self.embedding(text).transpose(1, 2)
        for convolution in self.convolutions:
            x = torch.tanh(convolution(nn.functional.pad(x, (1, 0))))[..., : text.shape[1]]
        return self.told(self.lstm(x.transpose(1, 2))[0])

    def told(self, y):
        return y


class SymbolsMixed(Symbols):
    """Each row is given the mean of all rows."""

    def told(self, y):
        return y.mean(0, keepdim=True).expand_as(y)


class SymbolsBefore(Symbols):
    """Each step is given the output of the step behind it."""

    def told(self, y):
        return torch.cat([y[:, 1:], y[:, -1:]], 1)


class Trajectory(nn.Module):
    """Offsets of a path, embedded: the size of the embedding is no size of the input, and that of the state has a short name."""

    def __init__(self, embedding_dim=16, h_dim=24, input_dim=2):
        super().__init__()
        self.into, self.rnn, self.out = (
            nn.Linear(input_dim, embedding_dim),
            nn.GRU(embedding_dim, h_dim),
            nn.Linear(h_dim, input_dim),
        )

    def forward(self, offsets):
        return self.out(self.told(self.rnn(self.into(offsets))[0]))

    def told(self, y):
        return y


class TrajectoryMixed(Trajectory):
    """Each row is given the mean of all rows."""

    def told(self, y):
        return y.mean(1, keepdim=True).expand_as(y)


class TrajectoryAhead(Trajectory):
    """Each step is given the output of the step behind it."""

    def told(self, y):
        return torch.cat([y[1:], y[-1:]])


LAYERS = {
    Bounded: ("state h, buffer w_rec.parametrizations.weight.0._u in training: judged in eval()", BoundedByRow, BoundedForgets),
    NormedGates: ("state h, batch norm in training: judged in eval()", NormedGatesByRow, NormedGatesForget),
    ValueOfEach: ("(time, batch, features), state h", ValueOfTheFirst, ValueOfTheNext),
    Forecast: ("returns only the last output", ForecastOfOthers, ForecastNotLearned),
    Projected: ("(time, batch, features), no state comes back", ProjectedOfOthers, ProjectedNotLearned),
    RowsOfEye: ("state h, token ids", RowsOfEyeBefore, RowsOfEyeForget),
    Scattered: ("state h, token ids", ScatteredMixed, ScatteredNotLearned),
    Decays: ("beside it x_last; mask; delta", DecaysOfAll, DecaysOfTheFirst),
    BetweenTimes: ("not looked at: argument time_steps, the same for each row", BetweenTimesOfAll, BetweenTimesNotLearned),
    LooksUp: ("beside it memory", LooksUpForAll, LooksUpNotLearned),
    Symbols: ("(batch, time, features), no state comes back, token ids", SymbolsMixed, SymbolsBefore),
    Trajectory: ("(time, batch, features), no state comes back", TrajectoryMixed, TrajectoryAhead),
    OneUnitAtATime: ("one step per call, state (h, c)", OneUnitOfTheFirst, OneUnitNotLearned),
}
"""Each right layer, with what is said of how it is read and with its mistakes."""
