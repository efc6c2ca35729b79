"""A layer that takes one sequence alone is refused with the error that several raise, and the line that raises it."""

import pytest
import torch
from torch import nn

from rnncheck.adapters.probing.probe import probe
from rnncheck.adapters.targets import resolve
from rnncheck.reading.calls.experiment import Unreadable
from rnncheck.reading.target import read_target


class OneRow(nn.Module):
    """The first state has one row."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.inner, self.hidden_size = nn.Linear(input_size + hidden_size, hidden_size), hidden_size

    def forward(self, x):
        h, outputs = x.new_zeros(1, self.hidden_size), []
        for t in range(x.size(1)):
            h = torch.tanh(self.inner(torch.cat([x[:, t], h], 1)))
            outputs.append(h)
        return torch.stack(outputs, 1), h


class OneRowOfAMask(OneRow):
    """The mask of the first row is used for all, beside arguments that must be given."""

    def forward(self, x, observed, gaps):
        h, outputs = x.new_zeros(x.size(0), self.hidden_size), []
        for t in range(x.size(1)):
            now = torch.cat([x[:, t, :-1] * gaps[:, t, :1], observed[:1, t, :1]], 1)
            h = torch.tanh(self.inner(torch.cat([now, h], 1)))
            outputs.append(h)
        return torch.stack(outputs, 1), h


class NoRow(OneRow):
    """It fails for one sequence, too."""

    def forward(self, x):
        return super().forward(x[..., :0])


@pytest.mark.parametrize("layer, line", [(OneRow, "self.inner(torch.cat([x[:, t], h], 1))"), (OneRowOfAMask, "now = torch.cat(")])
def test_the_error_and_its_line_are_the_reason(layer, line):
    with pytest.raises(Unreadable, match="^it takes one sequence, and no batch of several: with 3 of them, line ") as refused:
        read_target(layer)
    assert line in str(refused.value) and "Sizes of tensors must match" in str(refused.value)


def test_it_is_the_reason_of_a_probe_too():
    (subject,) = resolve.subjects(OneRow)
    assert probe(subject)["batched"].why.startswith("it takes one sequence, and no batch of several: with 3 of them, line ")


def test_what_takes_no_sequence_at_all_is_refused_otherwise():
    with pytest.raises(Unreadable) as refused:
        read_target(NoRow)
    assert "takes one sequence" not in str(refused.value)
