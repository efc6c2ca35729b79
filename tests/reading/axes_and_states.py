"""Layers whose steps and rows share an axis, whose input is a picture of one row, or whose state has parts of other sizes."""

import torch
import torch.nn.functional as F
from torch import nn


class Policy(nn.Module):
    """(time * batch, features): the state says how many rows there are. A mask of 0 begins an episode."""

    def __init__(self, num_inputs, hidden_size):
        super().__init__()
        self.gru = nn.GRU(num_inputs, hidden_size)

    def forward(self, x, hxs, masks):
        if len(x) == len(hxs):
            y, h = self.gru(x[None], (hxs * masks)[None])
            return y[0], h[0]
        rows = len(hxs)
        x, masks, h, outputs = self.unfolded(x, rows), masks.view(-1, rows, 1), hxs[None], []
        for step, mask in zip(x, masks, strict=True):
            y, h = self.gru(step[None], h * self.kept(mask))
            outputs.append(y)
        return torch.cat(outputs).flatten(0, 1), h[0]

    def unfolded(self, x, rows):
        return x.view(-1, rows, x.shape[1])

    def kept(self, mask):
        return mask


class PolicyOfRowsFirst(Policy):
    """Rows are taken for steps."""

    def unfolded(self, x, rows):
        return x.view(rows, -1, x.shape[1]).transpose(0, 1)


class PolicyOfOneEpisode(Policy):
    """One row's mask ends the episodes of all."""

    def kept(self, mask):
        return mask[:1]


class Actor(nn.Module):
    """An input of any number of axes in front of its features, whose rows the state says, and an output of one axis for both."""

    def __init__(self, obs_dim, hidden=7):
        super().__init__()
        self.rnn = nn.GRU(obs_dim, hidden)

    def forward(self, x, rnn_state):
        y, h = self.rnn(x.reshape(-1, rnn_state.shape[1], x.shape[-1]), rnn_state)
        return self.folded(y), h

    def folded(self, y):
        return y.flatten(0, 1)


class ActorOfRowsFirst(Actor):
    """Rows come before steps in that axis; a call of one step is right."""

    def folded(self, y):
        return y.transpose(0, 1).flatten(0, 1)


class Agent(nn.Module):
    """Steps and rows in one axis, also of the flags, taken apart again without a look at whether there are as many."""

    def __init__(self, obs_dim, hidden=7):
        super().__init__()
        self.cell = nn.GRUCell(obs_dim, hidden)

    def forward(self, x, rnn_state, done):
        rows, h, outputs = rnn_state.shape[0], rnn_state, []
        for step, ended in zip(x.reshape(-1, rows, x.shape[-1]), done.reshape(-1, rows), strict=False):
            h = self.cell(step, h * (1 - ended.float())[:, None])
            outputs.append(h)
        return self.folded(torch.stack(outputs)), h

    def folded(self, y):
        return y.flatten(0, 1)


class AgentOfRowsFirst(Agent):
    """Rows come before steps in the output."""

    def folded(self, y):
        return y.transpose(0, 1).flatten(0, 1)


class Line(nn.Module):
    """What convolutions leave of a line of text, (batch, channels, 1, width), in two stacks of both directions."""

    def __init__(self, n_channels, n_hidden, n_classes):
        super().__init__()
        self.first, self.second = (nn.LSTM(n, n_hidden, bidirectional=True) for n in (n_channels, n_hidden))
        self.between, self.scores = nn.Linear(2 * n_hidden, n_hidden), nn.Linear(2 * n_hidden, n_classes)

    def forward(self, conv):
        x = self.first(conv.squeeze(2).permute(2, 0, 1))[0]
        return self.classified(self.second(self.between(x))[0])

    def classified(self, x):
        return self.scores(x)


class LineOfMixedRows(Line):
    """Steps and rows are exchanged by a view."""

    def classified(self, x):
        steps, rows, _ = x.shape
        return self.scores(x).view(rows, steps, -1).transpose(0, 1)


class DroppedWords(nn.Module):
    """Whole words are dropped in training, so a function looks ids up in the table's own weight."""

    def __init__(self, ntoken, nhid, p=0.1):
        super().__init__()
        self.encoder, self.rnn, self.p = nn.Embedding(ntoken, nhid), nn.GRU(nhid, nhid), p
        self.decoder = nn.Linear(nhid, ntoken)
        self.decoder.weight = self.encoder.weight

    def forward(self, words, hidden=None):
        weight = self.encoder.weight
        if self.training and self.p:
            weight = F.dropout(weight.new_ones(len(weight), 1), self.p) * weight
        y, hidden = self.rnn(self.seen(F.embedding(words, weight)), hidden)
        return self.decoder(y), hidden

    def seen(self, vectors):
        return vectors


class DroppedWordsShifted(DroppedWords):
    """Each step reads the next word."""

    def seen(self, vectors):
        return vectors.roll(-1, 0)


class MatrixMemory(nn.Module):
    """The state is (C, n, m): a matrix, a vector and a number of each row, as many parts as an experiment has rows."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.q, self.k, self.v = (nn.Linear(input_size, hidden_size) for _ in range(3))
        self.gates = nn.Linear(input_size, 2)

    def forward(self, x, states=None):
        rows, size = len(x), self.hidden_size
        begun = x.new_zeros(rows, size, size), x.new_zeros(rows, size), x.new_zeros(rows, 1)
        C, n, m = begun if states is None else states
        outputs = []
        for now in self.order(x).unbind(1):
            i, f = self.gates(now).chunk(2, -1)
            f, k, q = F.logsigmoid(f), self.k(now), self.q(now)
            old, m = m, torch.maximum(f + m, i)
            i, f = torch.exp(i - m), torch.exp(f + old - m)
            C, n = f[..., None] * C + i[..., None] * self.v(now)[:, :, None] * k[:, None], f * n + i * k
            outputs.append((C @ q[..., None])[..., 0] / torch.maximum((n * q).sum(-1, keepdim=True).abs(), torch.exp(-m)))
        return torch.stack(outputs, 1), (C, n, m)

    def order(self, x):
        return x


class MatrixMemoryOfMean(MatrixMemory):
    """Each row reads the mean of all."""

    def order(self, x):
        return x - x.mean(0)


class Decoder(nn.Module):
    """A step a call, with what a convolution reads and what a scan keeps in two arguments that a cache is allocated for."""

    def __init__(self, d_model, d_conv=3, d_state=4):
        super().__init__()
        self.d_model, self.d_conv, self.d_state = d_model, d_conv, d_state
        self.conv = nn.Parameter(torch.rand(d_model, d_conv))
        self.B, self.C = nn.Linear(d_model, d_state), nn.Linear(d_model, d_state)
        self.A = nn.Parameter(torch.rand(d_model, d_state))

    def allocate_inference_cache(self, batch_size):
        return self.A.new_zeros(batch_size, self.d_model, self.d_conv), self.A.new_zeros(batch_size, self.d_model, self.d_state)

    def forward(self, hidden_states, conv_state, ssm_state):
        x = hidden_states.squeeze(1)
        conv_state = self.moved(conv_state, x)
        x = F.silu((conv_state * self.conv).sum(-1))
        ssm_state = torch.sigmoid(self.A) * ssm_state + x[..., None] * self.B(x)[:, None]
        return (ssm_state * self.C(x)[:, None]).sum(-1)[:, None], conv_state, ssm_state

    def moved(self, conv_state, x):
        return torch.cat([conv_state[..., 1:], x[..., None]], -1)


class DecoderOfMean(Decoder):
    """All rows keep the mean of their inputs."""

    def moved(self, conv_state, x):
        return torch.cat([conv_state[..., 1:], x.mean(0).expand_as(x)[..., None]], -1)


class Tracing(nn.Module):
    """Questions, and whether the answers were right: an id for each of both, and one for a question that is not known."""

    def __init__(self, n_questions, embed_dim, hidden_dim):
        super().__init__()
        self.n_questions, self.table = n_questions, nn.Embedding(2 * n_questions + 1, embed_dim)
        self.rnn, self.out = nn.LSTM(embed_dim, hidden_dim, batch_first=True), nn.Linear(hidden_dim, n_questions)

    def forward(self, q, r):
        return torch.sigmoid(self.out(self.rnn(self.table(q + 1 + self.n_questions * self.answers(r)))[0]))

    def answers(self, r):
        return r


class TracingOfOneStudent(Tracing):
    """The first student's answers are taken for all."""

    def answers(self, r):
        return r[:1]


LAYERS = {
    Policy: (
        "(time*batch, features), state h, beside it masks, the state is forgotten before such a step",
        PolicyOfRowsFirst,
        PolicyOfOneEpisode,
    ),
    Actor: ("(time, batch, features), state h, steps and rows in one axis of the output", ActorOfRowsFirst),
    Agent: ("steps and rows in one axis of the output, beside it done, the state is forgotten before", AgentOfRowsFirst),
    Line: ("(batch, features, 1, time), no state comes back, two directions in the same features", LineOfMixedRows),
    DroppedWords: ("(time, batch, features), state h, token ids", DroppedWordsShifted),
    Tracing: ("token ids, each with a vector of the input, beside it r", TracingOfOneStudent),
    MatrixMemory: ("no state comes back, not looked at: argument states, result[1][0]", MatrixMemoryOfMean),
    Decoder: ("(batch, 1, features), one step per call, state of 7 tensors or parts", DecoderOfMean),
}
"""What a reading says of each right layer, among other things; and its mistakes."""
