"""Arguments of a call that may be left out: which are varied, and which may be anything."""

import pytest
import torch
from torch import Tensor, nn

from rnncheck.reading.target import read_target
from tests.effort import some
from tests.reading import beside_each_step
from tests.strangers.hunted import kill_of, subject_of


class StackedBlocks(nn.Module):
    """Each layer's first state may be given, in a tuple under no state's name; it is wider than the output."""

    layers = 2

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.width = d_model + d_model // 2
        self.into = nn.ModuleList(nn.Linear(d_model, 2 * self.width) for _ in range(self.layers))
        self.out = nn.ModuleList(nn.Linear(self.width, d_model) for _ in range(self.layers))

    def forward(self, x: Tensor, past: tuple[Tensor, ...] | None = None) -> tuple[Tensor, tuple[Tensor, ...]]:
        past = past if past is not None else (x.new_zeros(len(x), self.width),) * self.layers
        finals: list[Tensor] = []
        for into, out, h in zip(self.into, self.out, past, strict=False):
            states = [h]
            for gate, value in zip(*(part.unbind(1) for part in into(x).chunk(2, -1)), strict=True):
                states.append(states[-1] + torch.sigmoid(gate) * (value - states[-1]))
            x = x + out(torch.stack(states[1:], 1))
            finals.append(states[-1])
        return x, tuple(finals)


class AsManyAsRows(StackedBlocks):
    """The same with as many layers as a reading has rows."""

    layers = 3


class GapsMayBeLeftOut(nn.Module):
    """A state fades with the time that has gone by, which is 1 where none is given."""

    def __init__(self, n_in: int, hidden_size: int) -> None:
        super().__init__()
        self.cell, self.fading = nn.GRUCell(n_in, hidden_size), nn.Parameter(torch.rand(hidden_size))

    def forward(self, x: Tensor, gaps: Tensor | None = None) -> Tensor:
        h, ys = x.new_zeros(x.shape[1], len(self.fading)), []
        for step, gap in zip(x, torch.ones_like(x[..., 0]) if gaps is None else self.of_rows(gaps), strict=True):
            h = self.cell(step, h * torch.exp(-self.fading.abs() * gap[:, None]))
            ys.append(h)
        return torch.stack(ys)

    def of_rows(self, gaps: Tensor) -> Tensor:
        return gaps


class GapsOfAllRows(GapsMayBeLeftOut):
    """All rows get the mean of their times."""

    def of_rows(self, gaps: Tensor) -> Tensor:
        return gaps.mean(1, keepdim=True).expand_as(gaps)


@pytest.mark.parametrize("layer", [StackedBlocks, AsManyAsRows])
def test_what_has_an_axis_of_layers_is_no_argument_of_rows(layer):
    subject = subject_of(layer)
    assert "argument past" in subject.read_as
    assert "beside it" not in subject.read_as
    assert kill_of(subject, 4) is None


def test_what_each_row_has_is_varied():
    assert "beside it gaps" in subject_of(GapsMayBeLeftOut).read_as
    assert kill_of(subject_of(GapsMayBeLeftOut), 4, "argument.rows,time.causal") is None
    assert kill_of(subject_of(GapsOfAllRows), 4, "argument.rows").prop.id == "argument.rows"


class WithFeaturesOfEachRow(nn.Module):
    """Each sequence has features of its own, as many as a reading has rows; the state begins from them."""

    def __init__(self, n_in: int, hidden_size: int, n_static: int = 3) -> None:
        super().__init__()
        self.start, self.gru = nn.Linear(n_static, hidden_size), nn.GRU(n_in, hidden_size, batch_first=True)
        self.head = nn.Linear(hidden_size + n_static, 1)

    def forward(self, x: Tensor, static: Tensor) -> Tensor:
        y = self.gru(x, self.start(self.of_rows(static))[None])[0]
        return self.head(torch.cat([y, static[:, None].expand(-1, x.shape[1], -1)], -1)).squeeze(-1)

    def of_rows(self, static: Tensor) -> Tensor:
        return static


class WithFeaturesOfOthers(WithFeaturesOfEachRow):
    """The state of each sequence begins from another's features."""

    def of_rows(self, static: Tensor) -> Tensor:
        return static.flip(0)


class Attends(nn.Module):
    """Each step looks up what an encoder returned, (steps, batch, hidden_size)."""

    steps = 0

    def __init__(self, n_in: int, hidden_size: int) -> None:
        super().__init__()
        self.cell, self.query = nn.GRUCell(n_in + hidden_size, hidden_size), nn.Linear(hidden_size, hidden_size)

    def forward(self, x: Tensor, h: Tensor, encoder_outputs: Tensor) -> tuple[Tensor, Tensor]:
        ys = []
        for step in x:
            weights = (encoder_outputs * self.query(h)).sum(-1, keepdim=True).softmax(self.steps)
            h = self.cell(torch.cat([step, (weights * encoder_outputs).sum(0)], 1), h)
            ys.append(h)
        return torch.stack(ys), h


class AttendsToTheBatch(Attends):
    """The weights of all sequences, and not those of all steps, add up to 1."""

    steps = 1


class LooksUpInATable(nn.Module):
    """All sequences look up the same vectors, of which there may be any number."""

    def __init__(self, n_in: int, hidden_size: int) -> None:
        super().__init__()
        self.cell, self.query = nn.GRUCell(n_in + hidden_size, hidden_size), nn.Linear(hidden_size, hidden_size)

    def forward(self, x: Tensor, table: Tensor) -> Tensor:
        h, ys = x.new_zeros(x.shape[1], self.cell.hidden_size), []
        for step in x:
            h = self.cell(torch.cat([step, (self.query(h) @ table.T).softmax(-1) @ table], 1), h)
            ys.append(h)
        return torch.stack(ys)


@pytest.mark.parametrize(
    ("right", "wrong", "name"),
    some([(Attends, AttendsToTheBatch, "encoder_outputs"), (WithFeaturesOfEachRow, WithFeaturesOfOthers, "static")], 2),
)
def test_what_each_sequence_has_beside_its_steps_is_varied(right, wrong, name):
    assert f"beside it {name}" in subject_of(right).read_as
    assert kill_of(subject_of(right), 3) is None
    assert kill_of(subject_of(wrong), 4, "argument.rows").prop.id == "argument.rows"


def test_what_all_sequences_look_up_is_told():
    subject = subject_of(LooksUpInATable)
    assert "not looked at: parameter query.bias, parameter query.weight, argument table, the same for each row" in subject.read_as
    assert kill_of(subject, 4) is None


def test_times_grow_where_a_part_does_nothing_as_long_as_they_stay():
    assert not read_target(beside_each_step.Between).not_looked_at
