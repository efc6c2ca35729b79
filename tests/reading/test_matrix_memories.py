"""Layers whose state is a matrix for each row: the reading says that it is not looked at, and nothing is red because of it."""

import pytest
import torch
from torch import nn

from rnncheck.reading.target import read_target
from tests.strangers.hunted import kill_of, subject_of


class FastWeights(nn.Module):
    """A matrix of associations, which decays."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.q, self.k, self.v = (nn.Linear(input_size, hidden_size) for _ in range(3))

    def forward(self, x, state=None):
        memory, outputs = x.new_zeros(len(x), self.hidden_size, self.hidden_size) if state is None else state, []
        for t in range(x.shape[1]):
            q, k, v = self.q(x[:, t]), self.k(x[:, t]).sigmoid(), self.v(x[:, t])
            memory = 0.5 * memory + k[:, :, None] * v[:, None, :]
            outputs.append((q[:, None] @ memory).squeeze(1))
        return torch.stack(outputs, 1), memory


class ByAnotherName(FastWeights):
    def forward(self, x, associations=None):
        return super().forward(x, associations)


class Flattened(FastWeights):
    """The memory is handed on as one long vector, which is as wide as seven parts in the size of the experiments."""

    def forward(self, x, state=None):
        output, memory = super().forward(x, None if state is None else state.reshape(len(x), self.hidden_size, -1))
        return output, memory.flatten(1)


class Returned(Flattened):
    """It cannot be given again."""

    def forward(self, x):
        return super().forward(x)


class Heads(nn.Module):
    """A matrix for each head: a size that is no multiple of the number of heads is refused by its calls alone."""

    def __init__(self, d_model, n_heads=2):
        super().__init__()
        self.n_heads, self.size = n_heads, d_model // n_heads
        self.qkv, self.out = nn.Linear(d_model, 3 * d_model), nn.Linear(d_model, d_model)

    def forward(self, x, memory=None):
        q, k, v = (part.view(*x.shape[:2], self.n_heads, self.size) for part in self.qkv(x).chunk(3, -1))
        memory = x.new_zeros(len(x), self.n_heads, self.size, self.size) if memory is None else memory
        outputs = []
        for t in range(x.shape[1]):
            memory = 0.5 * memory + k[:, t, :, :, None].sigmoid() * v[:, t, :, None]
            outputs.append(self.read(q[:, t], memory))
        return self.out(torch.stack(outputs, 1)), memory

    def read(self, q, memory):
        return (q[:, :, None] @ memory).flatten(1)


class SixteenHeads(Heads):
    def __init__(self, d_model, n_heads=16):
        super().__init__(d_model, n_heads)


class HeadsAsked(Heads):
    """The number of heads must be given, and is no size."""

    def __init__(self, d_model, n_heads):
        super().__init__(d_model, n_heads)


class HeadsOfTheBatch(Heads):
    """What is read from the memory is that of all rows."""

    def read(self, q, memory):
        return super().read(q, memory.mean(0, keepdim=True))


@pytest.mark.parametrize(
    ("layer", "argument", "shape"),
    [
        (FastWeights, "state", (3, 7, 7)),
        (ByAnotherName, "associations", (3, 7, 7)),
        (Flattened, "state", (3, 49)),
        (Heads, "memory", (3, 2, 4, 4)),
    ],
)
def test_it_is_told_whatever_its_argument_is_called(layer, argument, shape):
    reading = read_target(layer)
    assert reading.called["states"] is None and not reading.called["given"]
    assert {f"argument {argument}", f"result[1] of shape {shape}"} <= {*reading.unread, *reading.notes}


def test_it_is_told_where_it_cannot_be_given_again():
    assert read_target(Returned).unread == ("result[1] of shape (3, 49)",)


@pytest.mark.parametrize("layer", [FastWeights, Flattened, Returned, Heads])
def test_a_right_one_is_not_red(layer):
    assert kill_of(subject_of(layer), cases=4) is None


@pytest.mark.parametrize(("layer", "number"), [(Heads, 2), (SixteenHeads, 16)])
def test_its_calls_say_which_sizes_it_takes(layer, number):
    """It was refused: the constructor takes any size."""
    assert read_target(layer).nature["multiples"] == (number, number)


def test_a_number_of_heads_is_no_size():
    reading = read_target(HeadsAsked)
    assert reading.arguments.hidden == ("d_model",) and reading.arguments.others == {"n_heads": 1}


def test_a_mistake_is_red():
    assert kill_of(subject_of(HeadsOfTheBatch), cases=8) is not None
