"""Two directions whose outputs are added: they are read as such, and not held to what holds of one direction alone."""

import pytest
import torch
from torch import nn

import rnncheck
from tests.reading.encoders import OnAndBack, TwoLayersBothWays

WORDS = "both directions are in the same features"


class Added(nn.Module):
    """A GRU forward and a GRU backward; the outputs are added."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.forth, self.back = nn.GRU(input_size, hidden_size), nn.GRU(input_size, hidden_size)

    def forward(self, x):
        return self.forth(x)[0] + self.back(x.flip(0))[0].flip(0)


class AddedStepByStep(nn.Module):
    """The same with cells."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.forth, self.back = nn.GRUCell(input_size, hidden_size), nn.GRUCell(input_size, hidden_size)

    def forward(self, x):
        return self.along(self.forth, x) + self.along(self.back, x.flip(0)).flip(0)

    def along(self, cell, x):
        h, outputs = x.new_zeros(x.shape[1], cell.hidden_size), []
        for step in x:
            h = cell(step, h)
            outputs.append(h)
        return torch.stack(outputs)


class RowsMixed(Added):
    """A row sees the one before it."""

    def forward(self, x):
        return super().forward(x) + torch.roll(x, 1, 1).mean()


class BehindOneDirection(nn.Module):
    """A layer of one direction, and two directions side by side behind it: the second half depends on earlier steps, too."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.below = nn.GRU(input_size, hidden_size)
        self.both = nn.GRU(hidden_size, hidden_size, bidirectional=True)

    def forward(self, x):
        return self.both(self.below(x)[0])[0]


class BehindOneDirectionByHand(BehindOneDirection):
    """The same with a layer for each direction."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.both, self.back = (nn.GRU(hidden_size, hidden_size) for _ in range(2))

    def forward(self, x):
        x = self.below(x)[0]
        back = self.turned(self.back(x.flip(0))[0])
        return torch.cat([self.both(x)[0], back], -1)

    def turned(self, output):
        return output.flip(0)


class BehindOneDirectionUnturned(BehindOneDirectionByHand):
    """The second half stays in the order in which it was computed."""

    def turned(self, output):
        return output


class BeginsWithTheOther(nn.Module):
    """Nothing is below, and the second direction begins with the state in which the first one ends."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.forth, self.back = nn.GRU(input_size, hidden_size), nn.GRU(input_size, hidden_size)

    def forward(self, x):
        forth, h = self.forth(x)
        return torch.cat([forth, self.back(x.flip(0), h)[0].flip(0)], -1)


class LooksAhead(nn.Module):
    """One direction alone, with the mean over all steps taken off: each output depends on each input."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.gru = nn.GRU(input_size, hidden_size)

    def forward(self, x):
        output = self.gru(x)[0]
        return output - output.mean(0)


class LooksAheadBesideVectors(LooksAhead):
    """The same, where one vector of each row goes to two parts, once each: it is no sequence that both read."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.scale, self.shift = nn.Linear(1, hidden_size), nn.Linear(1, hidden_size)

    def forward(self, x):
        vector = x[:, :, :1].mean(0)
        return super().forward(x) * self.scale(vector) + self.shift(vector)


def judged(layer, properties):
    (subject,) = rnncheck.verify(layer, properties=properties, engine="inline", max_examples=6).subjects
    return subject.reading, {verdict.property: verdict for verdict in subject.verdicts}


@pytest.mark.parametrize("layer", [Added, AddedStepByStep])
def test_what_holds_of_one_direction_is_not_claimed(layer):
    reading, verdicts = judged(layer, "time.causal,batch.alone,batch.permute")
    assert "two directions in the same features" in reading
    assert verdicts["batch.alone"].verdict == verdicts["batch.permute"].verdict == "holds"
    assert (verdicts["time.causal"].verdict, verdicts["time.causal"].reason) == ("not_claimed", WORDS)


@pytest.mark.parametrize("layer", [BehindOneDirection, BehindOneDirectionByHand])
def test_two_directions_behind_one_are_no_halves(layer):
    reading, verdicts = judged(layer, "direction.causal,batch.alone")
    assert "two directions in the same features" in reading
    assert verdicts["direction.causal"].verdict == "not_claimed" and verdicts["batch.alone"].verdict == "holds"


@pytest.mark.parametrize("layer", [BehindOneDirectionUnturned, BeginsWithTheOther])
def test_halves_of_what_they_read_themselves_are_asked_for(layer):
    assert judged(layer, "direction.causal")[1]["direction.causal"].verdict == "fails"


def test_what_holds_of_any_layer_is_still_asked():
    assert judged(RowsMixed, "batch.alone")[1]["batch.alone"].verdict == "fails"


@pytest.mark.parametrize("layer", [LooksAhead, LooksAheadBesideVectors])
def test_a_layer_that_looks_ahead_is_not_taken_for_two_directions(layer):
    reading, verdicts = judged(layer, "time.causal")
    assert "two directions" not in reading and verdicts["time.causal"].verdict == "fails"


@pytest.mark.parametrize("layer", [TwoLayersBothWays, OnAndBack])
def test_an_output_may_be_twice_as_wide_as_the_state(layer):
    reading, verdicts = judged(layer, "shape.output")
    assert "two directions in the same features" in reading and verdicts["shape.output"].verdict == "holds"
