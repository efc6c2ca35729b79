"""Further layers as people publish them, each with mistakes of its own."""

import torch
from torch import nn


class FramesLSTMCell(nn.Module):
    """An LSTM cell of images, whose state must be given: (batch, channels, height, width)."""

    def __init__(self, input_dim, hidden_dim, kernel_size):
        super().__init__()
        self.gates = nn.Conv2d(input_dim + hidden_dim, 4 * hidden_dim, kernel_size, padding=kernel_size[0] // 2)

    def forward(self, frame, cur_state):
        h, c = cur_state
        i, f, o, g = self.gates(torch.cat([frame, h], 1)).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class FramesLSTMCellCut(FramesLSTMCell):
    def forward(self, frame, cur_state):
        h, c = cur_state
        return super().forward(frame, (h, c.detach()))


class FramesLSTMCellOfTheBatch(FramesLSTMCell):
    def forward(self, frame, cur_state):
        h, c = cur_state
        return super().forward(frame, (h.mean(0, keepdim=True).expand_as(h), c))


class IdentityCell(nn.Module):
    """Its constructor takes storage of torch's default dtype into a tensor of float32."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.weight_ih = nn.Parameter(torch.FloatTensor(input_size, hidden_size).uniform_(-0.5, 0.5))
        self.weight_hh = nn.Parameter(torch.FloatTensor(hidden_size, hidden_size))
        self.weight_hh.data.set_(torch.eye(hidden_size))

    def forward(self, input_, hx):
        return torch.tanh(input_ @ self.weight_ih + hx @ self.weight_hh)


class IdentityCellCut(IdentityCell):
    def forward(self, input_, hx):
        return super().forward(input_, hx.detach())


class IdentityCellOfTheBatch(IdentityCell):
    def forward(self, input_, hx):
        return super().forward(input_, hx.mean(0, keepdim=True).expand_as(hx))


class WordEncoder(nn.Module):
    """The kind of the recurrence, in lower case, is the first thing that must be given."""

    def __init__(self, rnn_type, num_words, word_dim, hidden_dim):
        super().__init__()
        self.words = nn.Embedding(num_words, word_dim)
        self.rnn = {"gru": nn.GRU, "lstm": nn.LSTM}[rnn_type](word_dim, hidden_dim)

    def forward(self, words):
        return self.rnn(self.words(words))


class WordEncoderAveraged(WordEncoder):
    def forward(self, words):
        vectors = self.words(words)
        return self.rnn(vectors + vectors.mean(1, keepdim=True))


class WordEncoderOfTheNextRow(WordEncoder):
    def forward(self, words):
        output, h = super().forward(words)
        return output, h.roll(1, 1)


class Captioner(nn.Module):
    """What it says of an image is said in each step, where there is an image."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell, self.of_image = nn.GRUCell(input_size, hidden_size), nn.Linear(hidden_size, input_size)

    def forward(self, words, h, image=None):
        seen = 0.0 if image is None else self.of_image(image)
        outputs = []
        for word in words:
            h = self.cell(word + seen, h)
            outputs.append(h)
        return torch.stack(outputs), h


class CaptionerWithoutWeights(Captioner):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.scale = nn.Parameter(torch.ones(hidden_size))

    def forward(self, words, h, image=None):
        outputs, h = super().forward(words, h, image)
        return outputs * self.scale.detach(), h


class CaptionerCut(Captioner):
    def forward(self, words, h, image=None):
        return super().forward(words, h.detach(), image)


class Controller(nn.Module):
    """The state that it begins with is learned, and a method gives it for any number of rows."""

    def __init__(self, num_inputs, num_outputs):
        super().__init__()
        self.cell = nn.LSTMCell(num_inputs, num_outputs)
        self.first_h, self.first_c = (nn.Parameter(torch.randn(1, num_outputs) * 0.05) for _ in range(2))

    def create_new_state(self, batch_size):
        return self.first_h.repeat(batch_size, 1), self.first_c.repeat(batch_size, 1)

    def forward(self, x, prev_state):
        h, c = self.cell(x, prev_state)
        return h, (h, c)


class ControllerOfOneStart(Controller):
    """It is not learned where it is used: nowhere."""

    def create_new_state(self, batch_size):
        return self.first_h.repeat(batch_size, 1), torch.zeros_like(self.first_c).repeat(batch_size, 1)


class ControllerCut(Controller):
    def forward(self, x, prev_state):
        return super().forward(x, (prev_state[0], prev_state[1].detach()))


class Tape(nn.Module):
    """It keeps its state, and cannot be called before a method of a name of its own."""

    def __init__(self, num_inputs, controller_size):
        super().__init__()
        self.cell = nn.GRUCell(num_inputs, controller_size)

    def init_sequence(self, batch_size):
        self.previous_state = self.cell.weight_hh.new_zeros(batch_size, self.cell.hidden_size)

    def forward(self, x):
        self.previous_state = self.cell(x, self.previous_state)
        return self.previous_state


class TapeOfTheBatch(Tape):
    def forward(self, x):
        return super().forward(x + x.mean(0))


class TapeCut(Tape):
    def forward(self, x):
        self.previous_state = self.cell(x, self.previous_state.detach())
        return self.previous_state


class Independent(nn.Module):
    """Each unit goes on with what it had, and no more: with larger weights it grows without end."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.read, self.own = nn.Linear(input_size, hidden_size), nn.Parameter(torch.ones(hidden_size))

    def forward(self, xs, hidden=None):
        h = xs.new_zeros(xs.shape[1], len(self.own)) if hidden is None else hidden
        outputs = []
        for x in xs:
            h = torch.relu(0.01 * self.read(x) + self.own * h)
            outputs.append(h)
        return torch.stack(outputs), h


class IndependentForgets(Independent):
    def forward(self, xs, hidden=None):
        return super().forward(xs)


class IndependentOfAll(Independent):
    def forward(self, xs, hidden=None):
        return super().forward(xs + 0.1 * xs.mean(1, keepdim=True), hidden)


LAYERS = {
    Independent: ("(time, batch, features), state h", IndependentForgets, IndependentOfAll),
    Tape: ("init_sequence() before each call", TapeOfTheBatch, TapeCut),
    Controller: ("parameter first_c, parameter first_h", ControllerOfOneStart, ControllerCut),
    Captioner: ("parameter of_image.bias", CaptionerWithoutWeights, CaptionerCut),
    IdentityCell: ("(batch, features), one step per call, state h", IdentityCellCut, IdentityCellOfTheBatch),
    WordEncoder: ("token ids", WordEncoderAveraged, WordEncoderOfTheNextRow),
    FramesLSTMCell: ("state of 8 tensors or parts, each feature a channel", FramesLSTMCellCut, FramesLSTMCellOfTheBatch),
}
