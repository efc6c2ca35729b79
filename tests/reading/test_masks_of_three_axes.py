"""Masks of padding with one more axis, behind their steps or in front of them."""

import pytest
import torch
from torch import Tensor, nn

from tests.strangers.hunted import kill_of, subject_of


class OfColumns(nn.Module):
    """A float mask (batch, time, 1), by which both directions hold their states at the padding."""

    def __init__(self, n_in: int, hidden: int) -> None:
        super().__init__()
        self.forth, self.back, self.hidden = nn.GRUCell(n_in, hidden), nn.GRUCell(n_in, hidden), hidden

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        back = self.scan(self.back, x.flip(1), mask.flip(1)).flip(1)
        return torch.cat([self.scan(self.forth, x, mask), back], -1) * mask

    def scan(self, cell: nn.GRUCell, x: Tensor, mask: Tensor) -> Tensor:
        h, ys = x.new_zeros(len(x), self.hidden), []
        for step, valid in zip(x.unbind(1), mask.unbind(1), strict=True):
            h = valid * cell(step, h) + (1 - valid) * self.held(cell, step, h)
            ys.append(h)
        return torch.stack(ys, 1)

    def held(self, cell: nn.GRUCell, step: Tensor, h: Tensor) -> Tensor:
        return h


class OfColumnsWrong(OfColumns):
    """The padding goes into the state, so that the second direction begins with it."""

    def held(self, cell: nn.GRUCell, step: Tensor, h: Tensor) -> Tensor:
        return cell(step, h)


class OfARow(nn.Module):
    """A mask (batch, 1, time) that is true at the padding, which may be left out."""

    def __init__(self, n_in: int, hidden: int) -> None:
        super().__init__()
        self.gru = nn.GRU(n_in, hidden, batch_first=True)

    def forward(self, x: Tensor, pad_mask: Tensor | None = None) -> Tensor:
        y = self.gru(x)[0]
        return y if pad_mask is None else y.masked_fill(self.of_steps(pad_mask).transpose(1, 2), 0)

    def of_steps(self, mask: Tensor) -> Tensor:
        return mask


class OfARowWrong(OfARow):
    """All sequences have the mask of the first."""

    def of_steps(self, mask: Tensor) -> Tensor:
        return mask[:1]


class BeginsAnew(nn.Module):
    """The state is forgotten where ``masks``, (time, batch, 1), is 0."""

    def __init__(self, n_in: int, hidden: int) -> None:
        super().__init__()
        self.cell = nn.GRUCell(n_in, hidden)

    def forward(self, x: Tensor, h: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        ys = []
        for step, going_on in zip(x, masks, strict=True):
            h = self.cell(step, h * going_on)
            ys.append(h)
        return torch.stack(ys), h


@pytest.mark.parametrize(
    ("right", "wrong", "form"),
    [(OfColumns, OfColumnsWrong, "mask: float mask (steps, 1)"), (OfARow, OfARowWrong, "pad_mask: padding mask (1, steps)")],
)
def test_a_mask_with_one_more_axis_says_what_padding_is(right, wrong, form):
    assert form in subject_of(right).read_as
    assert kill_of(subject_of(right), 4) is None
    assert kill_of(subject_of(wrong), 12, "lengths.*,agree.forward,batch.permute") is not None


def test_a_mask_of_columns_may_make_the_state_begin_anew():
    assert "beside it masks, the state is forgotten before such a step" in subject_of(BeginsAnew).read_as
