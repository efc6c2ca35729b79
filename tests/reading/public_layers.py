"""Right layers as people publish them, each with mistakes of its own."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Oscillator(nn.Module):
    """Two states that must be given; after a first step from zeros, both hold the same numbers."""

    def __init__(self, n_inp, n_hid, dt, gamma, epsilon):
        super().__init__()
        self.dt, self.gamma, self.epsilon = dt, gamma, epsilon
        self.i2h = nn.Linear(n_inp + 2 * n_hid, n_hid)

    def forward(self, x, hy, hz):
        hz = hz + self.dt * (torch.tanh(self.i2h(torch.cat((x, hz, hy), 1))) - self.gamma * hy - self.epsilon * hz)
        return hy + self.dt * hz, hz


class OscillatorCut(Oscillator):
    """No gradient goes back through the velocity."""

    def forward(self, x, hy, hz):
        return super().forward(x, hy, hz.detach())


class OscillatorOfAll(Oscillator):
    """The rows pull each other."""

    def forward(self, x, hy, hz):
        return super().forward(x, hy - 0.1 * hy.mean(0), hz)


class AttendedGRU(nn.Module):
    """An attention score between 0 and 1 says how much of the new state is taken."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.x2h, self.h2h = nn.Linear(input_size, 3 * hidden_size), nn.Linear(hidden_size, 3 * hidden_size)

    def forward(self, input, hidden_output, att_score):
        (r, _, n), (h_r, _, h_n) = self.x2h(input).chunk(3, 1), self.h2h(hidden_output).chunk(3, 1)
        new = torch.tanh(n + torch.sigmoid(r + h_r) * h_n)
        att_score = att_score.view(-1, 1)
        return (1 - att_score) * hidden_output + att_score * new


class AttendedGRUForgets(AttendedGRU):
    """Only what is new depends on the state, and of a state that is half as large."""

    def forward(self, input, hidden_output, att_score):
        return super().forward(input, torch.zeros_like(hidden_output), att_score)


class AttendedGRUOfAll(AttendedGRU):
    """Each row goes on from the mean of all rows."""

    def forward(self, input, hidden_output, att_score):
        return super().forward(input, hidden_output.mean(0, keepdim=True).expand_as(hidden_output), att_score)


class LogSpaceGRU(nn.Module):
    """The state comes back where a call asks for it; it is positive."""

    def __init__(self, dim):
        super().__init__()
        self.to_hidden_and_gate = nn.Linear(dim, 2 * dim, bias=False)

    def forward(self, x, prev_hidden=None, return_next_prev_hidden=False):
        hidden, gate = self.to_hidden_and_gate(x).chunk(2, -1)
        values, coefficients = torch.sigmoid(gate) * torch.nn.functional.softplus(hidden), torch.sigmoid(-gate)
        h, hs = torch.zeros_like(x[:, 0]) if prev_hidden is None else self.before(prev_hidden[:, 0]), []
        for t in range(x.shape[1]):
            h = coefficients[:, t] * h + values[:, t]
            hs.append(h)
        out = torch.stack(hs, 1)
        return (out, out[:, -1:]) if return_next_prev_hidden else out

    def before(self, h):
        return h


class LogSpaceGRUTwice(LogSpaceGRU):
    """What is done to the candidate is done to the state that is given too."""

    def before(self, h):
        return torch.nn.functional.softplus(h)


class LogSpaceGRUForgets(LogSpaceGRU):
    """The state that is given has no effect."""

    def before(self, h):
        return torch.zeros_like(h)


class LogSpaceGRUWrites(LogSpaceGRU):
    """What is made of the state that is given is written into it."""

    def before(self, h):
        return h.mul_(0.5).mul(2)


class DilatedGRU(nn.Module):
    """A layer for each dilation; each d-th step is a sequence of its own."""

    def __init__(self, n_input, n_hidden, dilations):
        super().__init__()
        self.dilations = list(dilations)
        self.cells = nn.ModuleList(nn.GRU(n_hidden if i else n_input, n_hidden) for i, _ in enumerate(self.dilations))

    def forward(self, x):
        for cell, d in zip(self.cells, self.dilations, strict=True):
            padded = torch.cat([x, x.new_zeros(-len(x) % d, *x.shape[1:])])
            folded = padded.unflatten(0, (-1, d)).flatten(1, 2)
            x = cell(folded)[0].unflatten(1, (d, -1)).flatten(0, 1)[: len(x)]
        return x


class DilatedGRUFolded(DilatedGRU):
    """Rows and steps change places where they are folded back."""

    def forward(self, x):
        steps, rows, _ = x.shape
        return super().forward(x).transpose(0, 1).reshape(steps, rows, -1)


class TiedWords(nn.Module):
    """Tied weights need equal sizes: its flag is left off."""

    def __init__(self, vocab_size, tied, emb_dim, module, dim, n_layers):
        super().__init__()
        assert not tied or emb_dim == dim, "tied weights need equal sizes"
        self.emb, self.rnn = nn.Embedding(vocab_size, emb_dim), getattr(nn, module)(emb_dim, dim, n_layers, batch_first=True)
        self.trans = nn.Linear(emb_dim if tied else dim, vocab_size)

    def forward(self, x, lens, hidden=None):
        packed = pack_padded_sequence(self.emb(x), lens.cpu(), batch_first=True, enforce_sorted=False)
        output, hidden = self.rnn(packed, hidden)
        return self.trans(pad_packed_sequence(output, batch_first=True)[0]), hidden


class TiedWordsForget(TiedWords):
    """The state that is given has no effect."""

    def forward(self, x, lens, hidden=None):
        return super().forward(x, lens)


class TiedWordsWithPadding(TiedWords):
    """The state is the one behind the padding."""

    def forward(self, x, lens, hidden=None):
        output, hidden = self.rnn(self.emb(x), hidden)
        return self.trans(output), hidden


class BesideOptions(nn.Module):
    """Both sizes, and options in a dict, of which some may be missing."""

    def __init__(self, in_features, hidden_size, out_feature, hparams):
        super().__init__()
        self.scale = 1.0
        if "scale" in hparams:
            self.scale = hparams["scale"]
        self.back = nn.Linear(in_features + hidden_size, hparams["backbone_units"])
        self.ff, self.fc = nn.Linear(hparams["backbone_units"], hidden_size), nn.Linear(hidden_size, out_feature)
        if "checkpoint" in hparams:
            self.load_state_dict(torch.load(hparams["checkpoint"]))

    def forward(self, x):
        h, outputs = x.new_zeros(len(x), self.ff.out_features), []
        for t in range(x.shape[1]):
            h = self.scale * torch.tanh(self.ff(torch.relu(self.back(torch.cat([x[:, t], h], 1)))))
            outputs.append(self.fc(self.kept(h)))
        return torch.stack(outputs, 1)

    def kept(self, h):
        return h


class BesideOptionsOfAll(BesideOptions):
    """What is read out of each row is without the mean of all."""

    def kept(self, h):
        return h - h.mean(0)


class NoProjection(nn.Module):
    """Without a projection the option is None, and not 0."""

    def __init__(self, input_size, hidden_size, proj_size=None, batch_first=True):
        super().__init__()
        self.rnn = nn.GRU(input_size, hidden_size, batch_first=batch_first)
        self.fc = nn.Identity() if proj_size is None else nn.Linear(hidden_size, proj_size)

    def forward(self, input, hx=None):
        output, hx = self.rnn(input, hx)
        return self.fc(output), hx


class NoProjectionForgets(NoProjection):
    """The state that is given has no effect."""

    def forward(self, input, hx=None):
        return super().forward(input)


class SortedGRU(nn.GRU):
    """torch's, and lengths beside the input, longest first."""

    def forward(self, x, hx=None, lengths=None, enforce_sorted=True):
        if lengths is None:
            return super().forward(x, hx)
        packed = pack_padded_sequence(x, lengths.cpu(), self.batch_first, enforce_sorted)
        output, hidden = super().forward(packed, hx)
        return pad_packed_sequence(output, self.batch_first, total_length=x.shape[int(self.batch_first)])[0], hidden


class SortedGRUForgets(SortedGRU):
    """With lengths, the state that is given has no effect."""

    def forward(self, x, hx=None, lengths=None, enforce_sorted=True):
        return super().forward(x, hx if lengths is None else None, lengths, enforce_sorted)


class SharedState(nn.Module):
    """All layers go on from one state, which comes back."""

    def __init__(self, n_layer, d_input, d_hidden):
        super().__init__()
        self.d_hidden = d_hidden
        self.model = nn.ModuleList(nn.GRUCell(d_hidden if i else d_input, d_hidden) for i in range(n_layer))

    def forward(self, X):
        h, outputs = X.new_zeros(len(X), self.d_hidden), []
        for t in range(X.shape[1]):
            for i, cell in enumerate(self.model):
                h = cell(h if i else X[:, t], h)
            outputs.append(h)
        return torch.stack(outputs, 1), self.last(outputs)

    def last(self, outputs):
        return outputs[-1]


class SharedStateOfTheFirst(SharedState):
    """The state after the first step comes back."""

    def last(self, outputs):
        return outputs[0]


class NoiseOfNothing(nn.Module):
    """Excitatory and inhibitory units; noise of no size is drawn in each step."""

    def __init__(self, input_size, hidden_size, dt=None, sigma_rec=0):
        super().__init__()
        self.alpha, self.sigma, self.hidden_size = 1 if dt is None else dt / 100, sigma_rec, hidden_size
        self.input2h, self.h2h = nn.Linear(input_size, hidden_size), nn.Linear(hidden_size, hidden_size)

    def forward(self, input, hidden=None):
        state, output = [input.new_zeros(input.shape[1], self.hidden_size)] * 2 if hidden is None else hidden
        outputs = []
        for x in input:
            total = self.input2h(x) + nn.functional.linear(output, self.h2h.weight.abs(), self.h2h.bias)
            state = state * (1 - self.alpha) + total * self.alpha
            state = state + self.sigma * torch.randn_like(state)
            output = torch.relu(state)
            outputs.append(output)
        return torch.stack(outputs), (state, output)


class NoiseOfSomeSize(NoiseOfNothing):
    """The noise is drawn in eval() too."""

    def __init__(self, input_size, hidden_size, dt=None, sigma_rec=0.1):
        super().__init__(input_size, hidden_size, dt, sigma_rec)


class OnADevice(nn.Module):
    """The device must be given."""

    def __init__(self, input_size, hidden_size, device):
        super().__init__()
        self.cell = nn.GRUCell(input_size, hidden_size, device=device)

    def forward(self, x, h):
        return self.cell(x, h)


class OnADeviceForgets(OnADevice):
    """The state that is given has no effect."""

    def forward(self, x, h):
        return self.cell(x)


class BegunInFloat32(nn.Module):
    """Its own first state is float32, whatever the input is."""

    def __init__(self, input_dim, hidden_dim):
        super().__init__()
        self.igates, self.hgates = nn.Linear(input_dim, hidden_dim), nn.Linear(hidden_dim, hidden_dim)

    def forward(self, x, hidden=None):
        h, hs = torch.zeros(x.shape[1], self.hgates.in_features, dtype=torch.float32) if hidden is None else hidden, []
        for x_t in x:
            h = torch.tanh(self.igates(x_t) + self.hgates(h))
            hs.append(h)
        return torch.stack(hs), h


class BegunInFloat32Cut(BegunInFloat32):
    """No gradient reaches the state that is given."""

    def forward(self, x, hidden=None):
        return super().forward(x, hidden if hidden is None else hidden.detach())


class StepsInside(nn.Module):
    """A list of the outputs of all steps, inside a tuple, and an option for layers."""

    def __init__(self, x_dim, h_dim, n_layers):
        super().__init__()
        self.rnn, self.mean = nn.GRU(x_dim, h_dim, n_layers), nn.Linear(h_dim, x_dim)

    def forward(self, x):
        y, h = self.rnn(x)
        return (list(self.mean(self.shown(y)).unbind()), list(y.unbind())), h

    def shown(self, y):
        return y


class StepsInsideTurned(StepsInside):
    """The list begins with the last step."""

    def shown(self, y):
        return y.flip(0)


class GraphGRU(nn.Module):
    """A graph of the features, each of which is a node: (batch, time, nodes) in, (batch, nodes, units) out."""

    def __init__(self, adj, hidden_dim):
        super().__init__()
        self.register_buffer("graph", torch.as_tensor(adj).float() / len(adj))
        self.gate, self.new = nn.Linear(1 + hidden_dim, hidden_dim), nn.Linear(1 + hidden_dim, hidden_dim)

    def forward(self, x):
        h = x.new_zeros(len(x), x.shape[2], self.gate.out_features)
        for t in range(x.shape[1]):
            u = torch.sigmoid(self.gate(self.spread(torch.cat([x[:, t, :, None], h], -1))))
            h = u * h + (1 - u) * torch.tanh(self.new(self.spread(torch.cat([x[:, t, :, None], u * h], -1))))
        return h

    def spread(self, both):
        return self.graph @ both


class GraphGRUOfAll(GraphGRU):
    """The nodes of all rows are made one graph."""

    def spread(self, both):
        return super().spread(both + 0.1 * both.roll(1, 0))


LAYERS = {
    Oscillator: ("one step per call, state (h, c)", OscillatorCut, OscillatorOfAll),
    AttendedGRU: ("argument att_score, given as 0.5", AttendedGRUForgets, AttendedGRUOfAll),
    LogSpaceGRU: ("state h, with return_next_prev_hidden", LogSpaceGRUTwice, LogSpaceGRUForgets, LogSpaceGRUWrites),
    DilatedGRU: ("(time, batch, features), no state comes back", DilatedGRUFolded),
    TiedWords: ("state h, token ids, each with a vector of the input, lens: tensor", TiedWordsForget, TiedWordsWithPadding),
    BesideOptions: ("(batch, time, features), no state comes back", BesideOptionsOfAll),
    NoProjection: ("(time, batch, features), state h", NoProjectionForgets),
    SortedGRU: ("lengths: tensor, longest first", SortedGRUForgets),
    SharedState: ("(batch, time, features), state h", SharedStateOfTheFirst),
    NoiseOfNothing: ("(time, batch, features), state (h, c)", NoiseOfSomeSize),
    BegunInFloat32: ("(time, batch, features), state h", BegunInFloat32Cut),
    StepsInside: ("(time, batch, features), state h", StepsInsideTurned),
    GraphGRU: ("(batch, time, features), no state comes back, 2 axes of features as one, returns only the last", GraphGRUOfAll),
    OnADevice: ("one step per call, state h", OnADeviceForgets),
}  # fmt: skip
"""What is said of a right layer, and its mistakes."""
