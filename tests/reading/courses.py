"""More layers as tutorials and courses write them, each with mistakes of its own."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class FlattensSteps(nn.Module):
    """A norm over all steps of all sequences at once; view() refuses input that is not contiguous."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.norm, self.rnn = nn.Linear(input_size, input_size), nn.LSTM(input_size, hidden_size)

    def forward(self, x, h=None):
        steps, rows = x.shape[:2]
        return self.rnn(torch.tanh(self.norm(self.flat(x))).view(steps, rows, -1), h)

    def flat(self, x):
        return x.view(x.shape[0] * x.shape[1], -1)


class FlattensMemory(FlattensSteps):
    """It reads the memory of its input as if that were contiguous."""

    def flat(self, x):
        return x.as_strided((x.shape[0] * x.shape[1], x.shape[2]), (x.shape[2], 1))


class OptionsBesideWords(nn.Module):
    """An object of options, and the number of words."""

    def __init__(self, opt, n_words):
        super().__init__()
        self.embedding = nn.Embedding(n_words, opt.emb_size)
        self.rnn = getattr(nn, opt.rnn_type)(opt.emb_size, opt.rnn_size, opt.n_layers)

    def forward(self, words, state=None):
        return self.rnn(self.embedding(words), state)


class OptionsBesideWordsFromZeros(OptionsBesideWords):
    """The state that is given has no effect."""

    def forward(self, words, state=None):
        return super().forward(words)


class CountsRows(nn.Module):
    """A classifier of words with a table of vectors, whose call takes the number of sequences where that is another one."""

    def __init__(self, batch_size, output_size, hidden_size, vocab_size, embedding_length, weights):
        super().__init__()
        self.batch_size, self.hidden_size = batch_size, hidden_size
        self.word_embeddings = nn.Embedding(vocab_size, embedding_length)
        self.word_embeddings.weight = nn.Parameter(weights, requires_grad=False)
        self.lstm, self.label = nn.LSTM(embedding_length, hidden_size), nn.Linear(hidden_size, output_size)

    def forward(self, sentences, batch_size=None):
        input = self.word_embeddings(sentences).permute(1, 0, 2)
        zeros = torch.zeros(1, batch_size or self.batch_size, self.hidden_size)
        return self.label(self.ends(*self.lstm(input, (zeros, zeros))))

    def ends(self, output, state):
        return state[0][-1]


class CountsRowsTogether(CountsRows):
    """Each sequence is given the largest of the batch."""

    def ends(self, output, state):
        return output.amax(1)[[-1]].expand(output.shape[1], -1)


class WordsPerSentence(nn.Module):
    """An encoder of sentences that attends to their words; how many there are has a name of its own."""

    def __init__(self, vocab_size, embeddings, emb_size, rnn_size, num_classes):
        super().__init__()
        self.embeddings = nn.Embedding(vocab_size, emb_size)
        self.embeddings.weight = nn.Parameter(embeddings)
        self.rnn = nn.GRU(emb_size, rnn_size, batch_first=True, bidirectional=True)
        self.score, self.fc = nn.Linear(2 * rnn_size, 1), nn.Linear(2 * rnn_size, num_classes)

    def forward(self, text, words_per_sentence):
        packed = pack_padded_sequence(self.embeddings(text), words_per_sentence.tolist(), batch_first=True, enforce_sorted=False)
        output, lengths = pad_packed_sequence(self.rnn(packed)[0], batch_first=True)
        weights = self.masked(self.score(torch.tanh(output)).squeeze(2), lengths).softmax(1)
        return self.fc((weights[..., None] * output).sum(1))

    def masked(self, scores, lengths):
        return scores.masked_fill(torch.arange(scores.shape[1]) >= lengths[:, None], -torch.inf)


class WordsAndPadding(WordsPerSentence):
    """The weights of the words behind a sentence's end count too."""

    def masked(self, scores, lengths):
        return scores


class AskedForItsState(nn.Module):
    """A minGRU in logarithms, whose states are positive; an option of the call asks for the last one."""

    def __init__(self, dim):
        super().__init__()
        self.to_hidden_and_gate = nn.Linear(dim, 2 * dim, bias=False)

    def forward(self, x, prev_hidden=None, return_next_prev_hidden=False):
        hidden, gate = self.to_hidden_and_gate(x).chunk(2, -1)
        hidden = torch.where(hidden >= 0, hidden + 0.5, hidden.sigmoid())
        if x.shape[1] == 1:
            out = hidden * gate.sigmoid() if prev_hidden is None else torch.lerp(prev_hidden, hidden, gate.sigmoid())
        else:
            out = self.at_once(nn.functional.logsigmoid(gate) + hidden.log(), -nn.functional.softplus(gate), prev_hidden)
        return (out, out[:, -1:]) if return_next_prev_hidden else out

    def at_once(self, values, kept, prev_hidden):
        if prev_hidden is not None:
            values, kept = torch.cat([prev_hidden.log(), values], 1), nn.functional.pad(kept, (0, 0, 1, 0))
        total = kept.cumsum(1)
        out = (total + (values - total).logcumsumexp(1)).exp()
        return out if prev_hidden is None else out[:, 1:]


class AskedAndIgnoredAtOnce(AskedForItsState):
    """The state that is given has no effect on several steps."""

    def at_once(self, values, kept, prev_hidden):
        return super().at_once(values, kept, None)


class TeacherForced(nn.Module):
    """A decoder that is given the targets: each step reads the target of the step before."""

    def __init__(self, vocab_size, emb_dim, hidden_size):
        super().__init__()
        self.embedding, self.out = nn.Embedding(vocab_size, emb_dim), nn.Linear(hidden_size, vocab_size)
        self.rnn = nn.GRU(emb_dim, hidden_size)

    def forward(self, targets, hidden):
        output, hidden = self.rnn(self.before(self.embedding(targets)), hidden)
        return self.out(output), hidden

    def before(self, vectors):
        return torch.cat([torch.zeros_like(vectors[:1]), vectors[:-1]])


class TeacherForcedAround(TeacherForced):
    """The first step reads the last target."""

    def before(self, vectors):
        return vectors.roll(1, 0)


class TeacherForcedAhead(TeacherForced):
    """Each step reads the target of the step behind it."""

    def before(self, vectors):
        return torch.cat([vectors[1:], torch.zeros_like(vectors[:1])])


class BetweenLayers(nn.Module):
    """A dropout that nobody asks for is on as soon as there are two layers."""

    def __init__(self, input_size, hidden_size, n_layers):
        super().__init__()
        self.lstm = nn.LSTM(input_size, hidden_size, n_layers, batch_first=True, dropout=0.2 if n_layers > 1 else 0.0)

    def forward(self, x, state=None):
        return self.lstm(x, state)


class DropsWhateverIsAsked(nn.Module):
    """A mistake: the dropout between two layers is on, whatever is asked for."""

    def __init__(self, input_size, hidden_size, num_layers=1, dropout=0.0):
        super().__init__()
        self.lstm = nn.LSTM(input_size, hidden_size, num_layers, dropout=0.2 if num_layers > 1 else dropout)

    def forward(self, x, state=None):
        return self.lstm(x, state)


class BetweenLayersForgets(BetweenLayers):
    def forward(self, x, state=None):
        return super().forward(x)


class BetweenLayersOfTheBatch(BetweenLayers):
    def forward(self, x, state=None):
        return super().forward(x + 0.1 * x.mean(0, keepdim=True), state)


class Quarters(nn.Module):
    """Two directions, each with a quarter of the features: a size below 4 leaves none."""

    def __init__(self, channel):
        super().__init__()
        self.forwards = nn.GRU(channel, channel // 4, batch_first=True)
        self.backwards = nn.GRU(channel, channel // 4, batch_first=True)
        self.mix = nn.Linear(2 * (channel // 4), channel)

    def forward(self, x):
        return self.mix(torch.cat([self.forwards(x)[0], self.turned(self.backwards(x.flip(1))[0])], -1))

    def turned(self, y):
        return y.flip(1)


class QuartersLeftTurned(Quarters):
    def turned(self, y):
        return y


class QuartersOfTheBatch(Quarters):
    def forward(self, x):
        return super().forward(x + 0.1 * x.mean(0, keepdim=True))


LAYERS = {
    BetweenLayers: ("state (h, c), random in training: judged in eval()", BetweenLayersForgets, BetweenLayersOfTheBatch),
    Quarters: ("two directions in the same features, not looked at: input_size below 4, hidden_size below 4",
               QuartersLeftTurned, QuartersOfTheBatch),
    TeacherForced: ("token ids, each with a vector of the input, each output is of the step before", TeacherForcedAround,
                    TeacherForcedAhead),
    AskedForItsState: ("(batch, time, features), state h", AskedAndIgnoredAtOnce),
    CountsRows: ("(batch, time, features), no state comes back, token ids", CountsRowsTogether),
    WordsPerSentence: ("returns only the last output, words_per_sentence: tensor", WordsAndPadding),
    FlattensSteps: ("(time, batch, features), state (h, c)", FlattensMemory),
    OptionsBesideWords: ("(time, batch, features), state h, token ids", OptionsBesideWordsFromZeros),
}  # fmt: skip
"""What a reading says of each right layer, among other things; and its mistakes."""
