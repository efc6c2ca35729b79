"""Sizes of one part that another part of the layer gives: an output's, or those of input and state together."""

import pytest
import torch
from torch import nn

from rnncheck.reading.target import read_target
from tests.strangers.hunted import kill_of, subject_of


def of_classes(number, **options):
    """A GRU with a read-out of this number of classes."""

    class OfClasses(nn.Module):
        def __init__(self, input_size, hidden_size):
            super().__init__()
            self.rnn = nn.GRU(input_size, hidden_size, batch_first=True, **options)
            self.classes = nn.Linear(hidden_size * (1 + self.rnn.bidirectional), number)

        def forward(self, x, h=None):
            output, h = self.rnn(x, h)
            return self.classes(output), h

    return OfClasses


@pytest.mark.parametrize("number", [7, 14])
def test_as_many_classes_as_the_state_of_an_experiment_has_features(number):
    """Red in shape.output, in sizes other than those of the experiments."""
    layer = of_classes(number)
    assert read_target(layer).called["features"] == number
    assert kill_of(subject_of(layer), cases=4) is None


def test_as_many_classes_as_two_directions_have_features():
    assert kill_of(subject_of(of_classes(14, bidirectional=True)), cases=4) is None


def test_an_output_that_grows_with_the_state_is_as_wide_as_it():
    class Plain(nn.Module):
        def __init__(self, input_size, hidden_size):
            super().__init__()
            self.rnn = nn.GRU(input_size, hidden_size)

        def forward(self, x):
            return self.rnn(x)[0]

    assert read_target(Plain).called["features"] is None


class OfThreeFeatures(nn.Module):
    """The input has always three features, which is how many sequences an experiment has, too."""

    def __init__(self, hidden_size):
        super().__init__()
        self.into, self.on = nn.Linear(3, hidden_size), nn.Linear(hidden_size, hidden_size)

    def forward(self, x, h=None):
        h, outputs = x.new_zeros(len(x), self.on.out_features) if h is None else h, []
        for t in range(x.shape[1]):
            h = torch.tanh(self.into(x[:, t]) + self.on(h))
            outputs.append(h)
        return torch.stack(outputs, 1), h


class Reservoir(nn.Module):
    """All of its weights are buffers, which are not trained."""

    features = 3

    def __init__(self, hidden_size):
        super().__init__()
        self.register_buffer("into", torch.rand(hidden_size, self.features))
        self.register_buffer("on", torch.rand(hidden_size, hidden_size) / hidden_size)

    def forward(self, x, h=None):
        h, outputs = x.new_zeros(len(x), len(self.on)) if h is None else h, []
        for t in range(x.shape[1]):
            h = torch.tanh(x[:, t] @ self.into.T + h @ self.on.T)
            outputs.append(h)
        return torch.stack(outputs, 1), h


class ReservoirOfFive(Reservoir):
    features = 5


@pytest.mark.parametrize(("layer", "size"), [(OfThreeFeatures, 3), (Reservoir, 3), (ReservoirOfFive, 5)])
def test_rows_are_not_taken_for_features(layer, size):
    assert f"(batch, time, features), state h, always input_size {size} and" in read_target(layer).words()


class WithMean(nn.Module):
    """A part of its state, the mean of its input so far, is as wide as the input."""

    def __init__(self, n_in, hidden):
        super().__init__()
        self.cell, self.n_in, self.hidden = nn.GRUCell(2 * n_in, hidden), n_in, hidden

    def forward(self, x, state=None):
        h, mean = (x.new_zeros(x.shape[1], size) for size in (self.hidden, self.n_in)) if state is None else state
        outputs = []
        for step in x:
            mean = 0.9 * mean + 0.1 * step
            h = self.cell(torch.cat([step, mean], -1), h)
            outputs.append(h)
        return torch.stack(outputs), (h, mean)


class OfOneSize(WithMean):
    """The same with one size."""

    def __init__(self, size):
        super().__init__(size, size)


def test_what_is_read_with_an_input_as_wide_as_the_state_alone_says_so():
    told = "not looked at: input_size other than hidden_size"
    assert subject_of(WithMean).read_as.endswith(f"state (h, c), {told}")
    assert "not looked at" not in subject_of(OfOneSize).read_as


class WithMemory(torch.nn.Module):
    """Beside h it keeps a memory of a size of its own, which is the hidden size of the first look by chance."""

    def __init__(self, input_size, hidden_size, memory_size=7):
        super().__init__()
        self.hidden_size, self.memory_size = hidden_size, memory_size
        self.written = torch.nn.Linear(input_size, memory_size)
        self.cell = torch.nn.RNNCell(memory_size, hidden_size)

    def forward(self, x, state=None):
        h, memory = (x.new_zeros(x.shape[1], size) for size in (self.hidden_size, self.memory_size)) if state is None else state
        outputs = []
        for step in x:
            memory = 0.5 * memory + self.written(step)
            h = self.cell(memory, h)
            outputs.append(h)
        return torch.stack(outputs), (h, memory)


def test_a_second_size_of_the_state_is_told_whatever_it_is_called():
    assert subject_of(WithMemory).read_as.endswith("not looked at: memory_size other than hidden_size")


class OfNumbers(torch.nn.Module):
    """Its input is (batch, time): a step of it fits a cell whose input size is 1 alone."""

    def __init__(self, input_size=1, hidden_size=9, output_size=1):
        super().__init__()
        self.cell, self.out = torch.nn.GRUCell(input_size, hidden_size), torch.nn.Linear(hidden_size, output_size)

    def forward(self, x):
        h, outputs = x.new_zeros(len(x), self.cell.hidden_size), []
        for step in x.split(1, dim=1):
            h = self.cell(step, h)
            outputs.append(self.out(h))
        return torch.cat(outputs, 1)


def test_an_input_of_numbers_has_the_input_size_1():
    assert "each input a number, no state comes back, always input_size 1" in subject_of(OfNumbers).read_as


class Points(torch.nn.Module):
    """Each step is a point in the plane; more features are taken for more points."""

    def __init__(self, embedding_dim=24, h_dim=16):
        super().__init__()
        self.embedding_dim, self.point = embedding_dim, nn.Linear(2, embedding_dim)
        self.rnn = nn.LSTM(embedding_dim, h_dim)

    def forward(self, path):
        points = self.point(path.reshape(-1, 2)).view(-1, path.shape[1], self.embedding_dim)
        return self.ended(*self.rnn(points))

    def ended(self, outputs, state):
        return state[0]


class PointsOfTheFirst(Points):
    def ended(self, outputs, state):
        return state[0][:, :1].expand_as(state[0])


def test_rows_are_not_taken_for_more_features_of_one():
    assert "(time, batch, features), state h, always input_size 2 and hidden_size 7" in read_target(Points).words()
    assert kill_of(subject_of(Points), cases=4) is None
    assert kill_of(subject_of(PointsOfTheFirst), cases=4) is not None


class Lstm(torch.nn.Module):
    """Nothing of it says what its sizes are but its parameters."""

    def __init__(self, i, h):
        super().__init__()
        self.x2g, self.h2g = nn.Linear(i, 4 * h), nn.Linear(h, 4 * h)

    def forward(self, x, state=None):
        h, c = (x.new_zeros(2, x.shape[1], self.h2g.in_features)) if state is None else state
        outputs = []
        for step in x:
            i, f, g, o = (self.x2g(step) + self.h2g(h)).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            outputs.append(h)
        return torch.stack(outputs), (h, c)


class Held(torch.nn.Module):
    """A cell in a wrapper, whose state must be given."""

    def __init__(self, i, h):
        super().__init__()
        self.cell = nn.LSTMCell(i, h)

    def forward(self, inputs, hidden):
        return self.cell(inputs, hidden)


@pytest.mark.parametrize("sizes", [(3, 5), (5, 3), (3, 3), (5, 5)])
@pytest.mark.parametrize(("layer", "words"), [(Lstm, "(time, batch, features)"), (Held, "(batch, features), one step per call")])
def test_steps_and_rows_of_an_experiment_are_no_sizes_of_the_layer(layer, words, sizes):
    said = f"{words}, state (h, c), always input_size {sizes[0]} and hidden_size {sizes[1]}"
    assert read_target(lambda: layer(*sizes)).words().startswith(said)


class LstmOfTheFirst(Lstm):
    def forward(self, x, state=None):
        output, (h, c) = super().forward(x, state)
        return output, (h[:1].expand_as(h), c)


def test_an_object_that_says_nothing_of_its_sizes_is_read_as_its_class_is():
    subject = subject_of(Lstm(3, 5))
    assert subject.modes == ("LSTM",) and (subject.fixed.input_size, subject.fixed.hidden_size) == (3, 5)
    assert kill_of(subject, cases=4) is None and kill_of(subject_of(LstmOfTheFirst(3, 5)), cases=4) is not None
