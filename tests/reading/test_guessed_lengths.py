"""Lengths under names that say nothing are found by where sequences end; what ends nothing is no length."""

import pytest
import torch
from torch import nn

from rnncheck.reading.target import read_target
from tests.strangers.hunted import kill_of, subject_of


class Held(nn.Module):
    """The state is held behind a sequence's end."""

    more = 0

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell = nn.GRUCell(input_size, hidden_size)

    def forward(self, source, n_valid):
        h = source.new_zeros(len(source), self.cell.hidden_size)
        alive = torch.arange(source.shape[1])[None] < n_valid[:, None] + self.more
        outputs = []
        for t in range(source.shape[1]):
            h = torch.where(alive[:, t, None], self.cell(source[:, t], h), h)
            outputs.append(h)
        return torch.stack(outputs, 1), h


class HeldTooLate(Held):
    more = 1


class HeldTooSoon(Held):
    more = -1


class Packed(nn.Module):
    def __init__(self, n_in, units):
        super().__init__()
        self.rnn = nn.GRU(n_in, units, batch_first=True)

    def forward(self, x, stops):
        packed = nn.utils.rnn.pack_padded_sequence(x, stops, batch_first=True, enforce_sorted=False)
        output, h = self.rnn(packed)
        return nn.utils.rnn.pad_packed_sequence(output, batch_first=True, total_length=x.shape[1])[0], h


class PackedOrNot(Packed):
    def forward(self, x, h0=None, stops=None):
        return self.rnn(x, h0) if stops is None else super().forward(x, stops)


class ValidOrNot(Packed):
    """Its name may be that of a mask, which it is not."""

    def forward(self, x, n_valid=None):
        return self.rnn(x) if n_valid is None else super().forward(x, n_valid)


class MaskedOutput(nn.Module):
    """The output is 0 behind the end, and the state goes on with the padding: a mistake that must not hide the lengths."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.rnn = nn.GRU(input_size, hidden_size, batch_first=True)

    def forward(self, x, counts):
        output, h = self.rnn(x)
        return output * (torch.arange(x.shape[1])[None] < counts[:, None])[..., None], h


class InThePadding(nn.Module):
    """The second direction begins in the padding: a mistake."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.there, self.back = (nn.GRU(input_size, hidden_size, batch_first=True) for _ in range(2))

    def forward(self, x, stops):
        output = torch.cat([self.there(x)[0], self.back(x.flip(1))[0].flip(1)], -1)
        return output * (torch.arange(x.shape[1])[None] < stops[:, None])[..., None]


class Scaled(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.rnn = nn.GRU(input_size, hidden_size)

    def forward(self, x, gain):
        return self.rnn(x * gain[None, :, None])


class FromPositions(nn.Module):
    """A number of each sequence that says where it begins."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.rnn, self.places = nn.GRU(input_size, hidden_size), nn.Embedding(100, input_size)

    def forward(self, x, begins):
        return self.rnn(x + self.places(torch.arange(len(x))[:, None] + begins.long()))


class RunningOut(nn.Module):
    """Each sequence is mixed with what it was some steps before, a number of its own."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.rnn = nn.GRU(input_size, hidden_size)

    def forward(self, x, delay):
        before = torch.arange(len(x))[:, None] - delay.long()
        late = x[before.clamp(min=0), torch.arange(x.shape[1])] * (before >= 0)[..., None]
        return self.rnn(x + late)


@pytest.mark.parametrize(("layer", "name"), [
    (Held, "n_valid"), (HeldTooLate, "n_valid"), (HeldTooSoon, "n_valid"), (Packed, "stops"), (MaskedOutput, "counts"),
    (InThePadding, "stops"),
])  # fmt: skip
def test_what_ends_the_sequences_is_their_length(layer, name):
    assert read_target(layer).how["lengths"] == (name, "tensor", True)


@pytest.mark.parametrize(("layer", "name"), [(PackedOrNot, "stops"), (ValidOrNot, "n_valid")])
def test_so_it_is_where_it_may_be_left_out(layer, name):
    assert read_target(layer).how["lengths"] == (name, "tensor", False)


@pytest.mark.parametrize("layer", [Scaled, FromPositions, RunningOut])
def test_what_ends_nothing_is_not(layer):
    assert read_target(layer).how["lengths"] is None


@pytest.mark.parametrize("layer", [Held, Packed])
def test_such_a_layer_is_right(layer):
    subject = subject_of(layer)
    assert subject.offers("lengths") and kill_of(subject, cases=2) is None


@pytest.mark.parametrize("layer", [HeldTooLate, HeldTooSoon, MaskedOutput, InThePadding])
def test_its_mistakes_are_red(layer):
    assert kill_of(subject_of(layer), cases=8, by="lengths.padding_ignored,time.causal") is not None
