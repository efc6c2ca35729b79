"""Right models as tutorials and applications write them, each with two mistakes of its own."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence


class Hazards(nn.Module):
    """A number for each step, and what follows from all of them so far."""

    def __init__(self, n_covariates, hidden=16):
        super().__init__()
        self.gru = nn.GRU(n_covariates, hidden, batch_first=True)
        self.hazard = nn.Linear(hidden, 1)

    def forward(self, x):
        hazard = torch.sigmoid(self.hazard(self.gru(x)[0])).squeeze(-1)
        return hazard, torch.cumprod(1 - hazard, dim=1)


class HazardsOfOtherRows(Hazards):
    """Rows are mixed."""

    def forward(self, x):
        hazard, _ = super().forward(x)
        hazard = hazard.T.reshape(hazard.shape)
        return hazard, torch.cumprod(1 - hazard, dim=1)


class HazardsOfTheFuture(Hazards):
    """It reads the future."""

    def forward(self, x):
        return super().forward(x - x.mean(1, keepdim=True))


class Forecaster(nn.Module):
    """An encoder, and a decoder that goes on from it for some steps."""

    def __init__(self, n_features, hidden_size, horizon=6):
        super().__init__()
        self.horizon = horizon
        self.encoder = nn.GRU(n_features, hidden_size, batch_first=True)
        self.decoder = nn.GRUCell(n_features, hidden_size)
        self.proj = nn.Linear(hidden_size, n_features)

    def begin(self, history):
        return self.encoder(history)[1][0]

    def forward(self, history):
        h, y = self.begin(history), history[:, -1]
        predictions = []
        for _ in range(self.horizon):
            h = self.decoder(y, h)
            y = self.proj(h)
            predictions.append(y)
        return torch.stack(predictions, dim=1)


class ForecasterOfOtherRows(Forecaster):
    """Rows are mixed."""

    def begin(self, history):
        return super().begin(history).flip(0)


class ForecasterAtRandom(Forecaster):
    """Dropout in eval()."""

    def begin(self, history):
        return F.dropout(super().begin(history), 0.2)


class SentenceEncoder(nn.Module):
    """The state of its layers alone comes back."""

    def __init__(self, emb_dim, hid_dim, n_layers=1):
        super().__init__()
        self.rnn = nn.LSTM(emb_dim, hid_dim, n_layers)

    def forward(self, src):
        _, (hidden, cell) = self.rnn(src)
        return hidden, cell


class SentenceEncoderOfTwoSentences(SentenceEncoder):
    """The state is kept between calls."""

    state = None

    def forward(self, src):
        known = self.state is not None and self.state[0].shape[1:] == (src.shape[1], self.rnn.hidden_size)
        _, state = self.rnn(src, self.state if known else None)
        self.state = tuple(part.detach() for part in state)
        return state


class SentenceEncoderOfOtherRows(SentenceEncoder):
    """Rows are mixed."""

    def forward(self, src):
        hidden, cell = super().forward(src)
        return hidden + hidden.mean(1, keepdim=True), cell


class FixedSizes(nn.Module):
    """The constructor takes no sizes."""

    def __init__(self):
        super().__init__()
        self.hidden = 20
        self.cell1, self.cell2 = nn.LSTMCell(5, self.hidden), nn.LSTMCell(self.hidden, self.hidden)
        self.linear = nn.Linear(self.hidden, 3)

    def step(self, x, one, two):
        one = self.cell1(x, one)
        return one, self.cell2(one[0], two)

    def forward(self, x):
        one = two = (x.new_zeros(len(x), self.hidden),) * 2
        out = []
        for t in range(x.shape[1]):
            one, two = self.step(x[:, t], one, two)
            out.append(self.linear(two[0]))
        return torch.stack(out, 1)


class FixedSizesWithoutGradient(FixedSizes):
    """No gradient goes through the state."""

    def step(self, x, one, two):
        one, two = super().step(x, one, two)
        return tuple(part.detach() for part in one), two


class FixedSizesOfOtherRows(FixedSizes):
    """Rows are mixed."""

    def step(self, x, one, two):
        return super().step(x - x.mean(0), one, two)


class ByHyperparameters(nn.Module):
    """Sizes in a dictionary that has a default, and one matrix for input and state."""

    def __init__(self, hparams={"input_dim": 6, "hidden_dim": 11}):  # noqa: B006  people do
        super().__init__()
        self.hidden_dim = hparams["hidden_dim"]
        self.gates = nn.Linear(hparams["input_dim"] + self.hidden_dim, 4 * self.hidden_dim)

    def candidate(self, j):
        return torch.tanh(j)

    def forward(self, x, hidden=None):
        h, c = (x.new_zeros(len(x), self.hidden_dim),) * 2 if hidden is None else hidden
        outs = []
        for t in range(x.size(1)):
            i, j, f, o = self.gates(torch.cat([x[:, t], h], dim=1)).chunk(4, dim=1)
            c = c * torch.sigmoid(f + 1) + torch.sigmoid(i) * self.candidate(j)
            h = torch.tanh(c) * torch.sigmoid(o)
            outs.append(h)
        return torch.stack(outs, dim=1), (h, c)


class ByHyperparametersWithoutState(ByHyperparameters):
    """The initial state is not used."""

    def forward(self, x, hidden=None):
        return super().forward(x, None if hidden is None else tuple(0 * part for part in hidden))


class ByHyperparametersWithoutGradient(ByHyperparameters):
    """No gradient of a part of the parameters."""

    def candidate(self, j):
        return torch.tanh(j.detach())


class SineWave(nn.Module):
    """Numbers in and numbers out: a step has no axis of features."""

    def __init__(self, units=12):
        super().__init__()
        self.cell, self.linear = nn.LSTMCell(1, units), nn.Linear(units, 1)

    def forward(self, input, future=0):
        h = c = input.new_zeros(len(input), self.cell.hidden_size)
        outputs = []
        for x in input.split(1, dim=1):
            h, c = self.cell(x, (h, c))
            outputs.append(self.linear(h))
        for _ in range(future):
            h, c = self.cell(outputs[-1], (h, c))
            outputs.append(self.linear(h))
        return torch.cat(outputs, dim=1)


class SineWaveReversed(SineWave):
    """A step reads the input of another step."""

    def forward(self, input, future=0):
        return super().forward(input.roll(-1, 1), future)


class SineWaveCentred(SineWave):
    """Rows are mixed."""

    def forward(self, input, future=0):
        return super().forward(input - input.mean(0), future)


class TwoWaysAlone(nn.Module):
    """Written for two directions, which an option could turn off."""

    def __init__(self, embedding_dim, hidden_dim, n_layers=1, bidirectional=True):
        super().__init__()
        self.rnn = nn.LSTM(embedding_dim, hidden_dim, n_layers, bidirectional=bidirectional)
        self.fc = nn.Linear(2 * hidden_dim, hidden_dim)

    def forward(self, embedded, text_lengths):
        packed = pack_padded_sequence(embedded, self.seen(text_lengths.cpu()), enforce_sorted=False)
        _, (hidden, _) = self.rnn(packed)
        return self.fc(self.joined(hidden))

    def seen(self, lengths):
        return lengths

    def joined(self, hidden):
        return torch.cat((hidden[-2], hidden[-1]), dim=1)


class TwoWaysTooShort(TwoWaysAlone):
    """Lengths are off by one."""

    def seen(self, lengths):
        return (lengths - 1).clamp(min=1)


class TwoWaysOfOtherRows(TwoWaysAlone):
    """Rows are mixed."""

    def joined(self, hidden):
        return hidden[-2:].reshape(hidden.shape[1], -1)


class Autoencoder(nn.Module):
    """A vector for the whole sequence, and a decoder that reads it at each step."""

    def __init__(self, n_features=3, embedding_dim=16):
        super().__init__()
        self.encoder = nn.LSTM(n_features, embedding_dim, batch_first=True)
        self.decoder = nn.LSTM(embedding_dim, 2 * embedding_dim, batch_first=True)
        self.out = nn.Linear(2 * embedding_dim, n_features)

    def summary(self, x):
        return self.encoder(x)[1][0][-1]

    def forward(self, x):
        y, _ = self.decoder(self.summary(x).unsqueeze(1).repeat(1, x.shape[1], 1))
        return self.out(y)


class AutoencoderOfOtherRows(Autoencoder):
    """Rows are mixed."""

    def summary(self, x):
        return self.encoder(x)[1][0][-1].flip(0)


class AutoencoderWithoutGradient(Autoencoder):
    """No gradient of a part of the parameters."""

    def summary(self, x):
        return super().summary(x).detach()


class AutoencoderOfTheMean(Autoencoder):
    """Right, but its summary is computed beside the parts, as many a mistake is that reads the future."""

    def summary(self, x):
        return self.encoder(x)[0].mean(1)


class TiedLanguageModel(nn.Module):
    """The table of vectors is used for the output too."""

    def __init__(self, vocab, dim):
        super().__init__()
        self.emb, self.cell = nn.Embedding(vocab, dim), nn.GRUCell(dim, dim)
        self.bias = nn.Parameter(torch.zeros(vocab))

    def weights(self):
        return self.emb.weight

    def forward(self, idx, h=None):
        e = self.emb(idx)
        h = e.new_zeros(len(idx), self.cell.hidden_size) if h is None else h
        logits = []
        for t in range(idx.size(1)):
            h = self.cell(e[:, t], h)
            logits.append(h @ self.weights().T + self.bias)
        return torch.stack(logits, 1), h


class TiedLanguageModelWithoutGradient(TiedLanguageModel):
    """No gradient of a parameter."""

    def weights(self):
        return self.emb.weight.detach()


class TiedLanguageModelWithoutState(TiedLanguageModel):
    """The initial state has no effect."""

    def forward(self, idx, h=None):
        return super().forward(idx, None if h is None else 0 * h)


class TimeLast(nn.Module):
    """Columns for sequences, as a course in numpy writes them: (features, batch, time), and a state that does not come back."""

    def __init__(self, n_x, n_a):
        super().__init__()
        self.Waa, self.Wax = (nn.Parameter(torch.randn(n_a, n) * 0.3) for n in (n_a, n_x))
        self.ba = nn.Parameter(torch.zeros(n_a, 1))

    def forward(self, x, a0):
        a_next, a = self.begin(a0), []
        for t in range(x.shape[2]):
            a_next = torch.tanh(self.Waa @ a_next + self.Wax @ x[:, :, t] + self.ba)
            a.append(a_next)
        return torch.stack(a, dim=2)

    def begin(self, a0):
        return a0


class TimeLastMixed(TimeLast):
    """Rows are mixed."""

    def begin(self, a0):
        return a0 + a0.mean(1, keepdim=True)


class TimeLastNotLearned(TimeLast):
    """No gradient through the state."""

    def begin(self, a0):
        return a0.detach()


class Decay(nn.Module):
    """Values with masks and times, all of which must be given."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.decay, self.cell = nn.Linear(input_size, hidden_size), nn.GRUCell(2 * input_size, hidden_size)

    def forward(self, x, mask, delta):
        h, out = x.new_zeros(len(x), self.hidden_size), []
        for t in range(x.size(1)):
            h = torch.exp(-F.relu(self.decay(self.at(delta, t)))) * h
            h = self.cell(torch.cat([x[:, t] * mask[:, t], mask[:, t]], dim=-1), h)
            out.append(h)
        return torch.stack(out, 1), h

    def at(self, delta, t):
        return delta[:, t]


class DecayOfOtherRows(Decay):
    """Rows are mixed."""

    def at(self, delta, t):
        return delta[:, t].mean(0, keepdim=True)


class DecayOfTheNextStep(Decay):
    """A step reads the input of another step."""

    def forward(self, x, mask, delta):
        return super().forward(x.roll(-1, 1), mask, delta)


class Reservoir(nn.Module):
    """The state has a size of its own, which has a default; it is no parameter."""

    def __init__(self, n_in, n_res=50, n_out=1):
        super().__init__()
        self.register_buffer("W_in", torch.rand(n_res, n_in) - 0.5)
        self.register_buffer("W", (torch.rand(n_res, n_res) - 0.5) / n_res**0.5)
        self.readout = nn.Linear(n_res, n_out)

    def begin(self, x):
        return x

    def forward(self, u, x=None):
        x, states = u.new_zeros(u.shape[1], len(self.W)) if x is None else self.begin(x), []
        for u_t in u:
            x = 0.7 * x + 0.3 * torch.tanh(u_t @ self.W_in.T + x @ self.W.T)
            states.append(x)
        return self.readout(torch.stack(states)), x


class ReservoirOfOtherRows(Reservoir):
    """Rows are mixed."""

    def begin(self, x):
        return x + x.mean(0)


class ReservoirWithoutState(Reservoir):
    """The initial state has no effect."""

    def begin(self, x):
        return 0 * x


class SentenceModel(nn.Module):
    """Two sizes that have to be the same, one of them under a name of its own."""

    def __init__(self, n_vocab, lstm_size=32, embedding_dim=32, num_layers=3):
        super().__init__()
        self.lstm_size, self.num_layers = lstm_size, num_layers
        self.embedding = nn.Embedding(n_vocab, embedding_dim)
        self.lstm = nn.LSTM(lstm_size, lstm_size, num_layers)
        self.fc = nn.Linear(lstm_size, n_vocab)

    def forward(self, x, prev_state):
        output, state = self.lstm(self.embedding(x), self.begin(prev_state))
        return self.fc(output), state

    def begin(self, state):
        return state

    def init_state(self, sequence_length):
        return (torch.zeros(self.num_layers, sequence_length, self.lstm_size),) * 2


class SentenceModelOfOtherRows(SentenceModel):
    """Rows are mixed."""

    def begin(self, state):
        return tuple(part + part.mean(1, keepdim=True) for part in state)


class SentenceModelWithoutState(SentenceModel):
    """The initial state has no effect."""

    def begin(self, state):
        return tuple(0 * part for part in state)


class MeanAndSpread(nn.Module):
    """Two heads, and a constructor that takes any further options; the spread is for training alone."""

    def __init__(self, input_size, hidden_size, **options):
        super().__init__()
        self.cell = nn.RNNCell(input_size, hidden_size)
        self.mean, self.spread, self.other = (nn.Linear(hidden_size, 1) for _ in range(3))

    def forward(self, x):
        h, outputs, others = None, [], []
        for x_t in x:
            h = self.cell(x_t, h)
            noise = torch.randn_like(h[:, :1]) * F.softplus(self.spread(h)) if self.training else 0
            outputs.append((self.mean(self.at(h)) + noise).squeeze(-1))
            others.append(self.other(h).squeeze(-1))
        return torch.stack(outputs), torch.stack(others)

    def at(self, h):
        return h


class MeanAndSpreadOfOtherRows(MeanAndSpread):
    """Rows are mixed."""

    def at(self, h):
        return h - h.mean(0)


class MeanAndSpreadWithoutGradient(MeanAndSpread):
    """No gradient of a part of the parameters."""

    def at(self, h):
        return h.detach()


class EnergyGRU(nn.Module):
    """Dropout between layers, under a name of its own."""

    def __init__(self, input_dim, hidden_dim, output_dim, n_layers, drop_prob=0.2):
        super().__init__()
        self.gru = nn.GRU(input_dim, hidden_dim, n_layers, batch_first=True, dropout=drop_prob)
        self.fc = nn.Linear(hidden_dim, output_dim)

    def forward(self, x, h):
        out, h = self.gru(x, self.begin(h))
        return self.fc(F.relu(out[:, -1])), h

    def begin(self, h):
        return h


class EnergyGRUOfOtherRows(EnergyGRU):
    """Rows are mixed."""

    def begin(self, h):
        return h + h.mean(1, keepdim=True)


class EnergyGRUWithoutState(EnergyGRU):
    """The initial state has no effect."""

    def begin(self, h):
        return 0 * h


class Frames(nn.Module):
    """A spectrogram, channels first, becomes a class for each of its frames, of as many classes as a test may have frames."""

    def __init__(self, n_mels, hidden, n_classes=5):
        super().__init__()
        self.conv, self.gru = nn.Conv1d(n_mels, hidden, 3), nn.GRU(hidden, hidden, batch_first=True)
        self.classes = nn.Linear(hidden, n_classes)

    def forward(self, mels):
        seen = self.conv(nn.functional.pad(mels, self.around)).relu().transpose(1, 2)
        return self.classes(self.gru(seen)[0]).log_softmax(-1)

    around = (2, 0)


class FramesToCome(Frames):
    """The convolution reads the next frame, as well."""

    around = (1, 1)


class FramesInFront(nn.Module):
    """The same in torch's order, as the CTC loss takes it."""

    def __init__(self, n_mels, hidden):
        super().__init__()
        self.lstm = nn.LSTM(n_mels, hidden)

    def forward(self, mels, state=None):
        return self.lstm(self.given(mels).permute(2, 0, 1), state)

    def given(self, mels):
        return mels


class FramesOfAll(FramesInFront):
    """The mean of all spectrograms is taken off."""

    def given(self, mels):
        return mels - mels.mean(0)


LAYERS = {
    Hazards: ("(batch, time, features), no state comes back, each output is a number", HazardsOfOtherRows, HazardsOfTheFuture),
    Forecaster: (
        "no state comes back, 2 axes of features as one, returns only the last output",
        ForecasterOfOtherRows,
        ForecasterAtRandom,
    ),
    SentenceEncoder: (
        "(time, batch, features), state (h, c), returns only the last output",
        SentenceEncoderOfTwoSentences,
        SentenceEncoderOfOtherRows,
    ),
    Autoencoder: (
        "(batch, time, features), no state comes back, decodes a summary of the whole sequence",
        AutoencoderOfOtherRows,
        AutoencoderWithoutGradient,
    ),
    TiedLanguageModel: (
        "(batch, time, features), state h, token ids, each with a vector of the input",
        TiedLanguageModelWithoutGradient,
        TiedLanguageModelWithoutState,
    ),
    TimeLast: ("(features, batch, time), no state comes back", TimeLastMixed, TimeLastNotLearned),
    Decay: ("(batch, time, features), state h, beside it mask; delta", DecayOfOtherRows, DecayOfTheNextStep),
    Reservoir: ("(time, batch, features), state h", ReservoirOfOtherRows, ReservoirWithoutState),
    SentenceModel: ("(time, batch, features), state (h, c), token ids", SentenceModelOfOtherRows, SentenceModelWithoutState),
    MeanAndSpread: (
        "each output is a number, random in training: judged in eval(), not looked at: result[1] of shape (5, 3), "
        "parameter other.bias, parameter other.weight, parameter spread.bias, parameter spread.weight",
        MeanAndSpreadOfOtherRows,
        MeanAndSpreadWithoutGradient,
    ),
    EnergyGRU: ("(batch, time, features), state h, returns only the last output", EnergyGRUOfOtherRows, EnergyGRUWithoutState),
    FixedSizes: (
        "(batch, time, features), no state comes back, always input_size 5 and hidden_size 3",
        FixedSizesWithoutGradient,
        FixedSizesOfOtherRows,
    ),
    ByHyperparameters: (
        "state (h, c), always input_size 6 and hidden_size 11, parameters: gates.weight = [W_ih | W_hh], gates i g f o",
        ByHyperparametersWithoutState,
        ByHyperparametersWithoutGradient,
    ),
    SineWave: (
        "(batch, time), each input a number, no state comes back, always input_size 1 and hidden_size 1, each output is a number",
        SineWaveReversed,
        SineWaveCentred,
    ),
    TwoWaysAlone: (
        "returns only the last output, text_lengths: tensor, not looked at: bidirectional other than True",
        TwoWaysTooShort,
        TwoWaysOfOtherRows,
    ),
    Frames: ("(batch, features, time), no state comes back, output (batch, time, features)", FramesToCome),
    FramesInFront: ("(batch, features, time), state (h, c), output (time, batch, features)", FramesOfAll),
}
"""Each right layer, with what is said of how it is read and with its mistakes."""
