"""Axes with any names: as arguments are called, and as others from which they are computed."""

import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn

from rnncheck.catalog import CATALOG
from rnncheck.core.named import Named, NamedTensor
from rnncheck.judging.judge import judge, trial_of
from tests.adapters.support import claimed
from tests.typed.cases import small

Sequence = Float[Tensor, "B T D"]
State = Float[Tensor, "B D"]


def skipped(x: Sequence, D: Float[Tensor, "D"] | None = None, state: State | None = None) -> tuple[Sequence, State]:
    """A sum, and of each step what goes past it: both are of the size D."""
    states = x.cumsum(1) if state is None else x.cumsum(1) + state[:, None]
    return states if D is None else states + D * x, states[:, -1]


def skipped_into_the_state(x: Sequence, D: Float[Tensor, "D"] | None = None, state: State | None = None) -> tuple[Sequence, State]:
    """Wrong: where D is given, the state is the last output."""
    output, final = skipped(x, D, state)
    return output, final if D is None else output[:, -1]


@pytest.mark.parametrize(("function", "red"), [(skipped, False), (skipped_into_the_state, True)])
def test_an_argument_may_be_called_as_its_axis(function, red):
    subject = claimed(function)
    cases = [case for case, _ in zip(small(subject), range(6), strict=False)]
    assert {dict(case.config.named.options)["D"] for case in cases} == {"given", "left out"}
    assert any(judge(CATALOG["time.split"], trial_of(subject, case)).red for case in cases) == red


Last = Float[Tensor, "B width-1 D"]


def smoothed(x: Sequence, weight: Float[Tensor, "width"], last: Last | None = None) -> tuple[Sequence, Last]:
    """A sum of the last steps, which a state one shorter than its width remembers."""
    before = len(weight) - 1
    known = torch.cat([x.new_zeros(len(x), before, x.shape[2]) if last is None else last, x], 1)
    return known.unfold(1, before + 1, 1) @ weight, known[:, known.shape[1] - before :]


def of_the_last_piece(x: Sequence, weight: Float[Tensor, "width"], last: Last | None = None) -> tuple[Sequence, Last]:
    """Wrong: steps before the last piece are forgotten, where that is shorter than what is remembered."""
    output, state = smoothed(x, weight, last)
    return output, torch.cat([0 * state, x], 1)[:, x.shape[1] :]


@pytest.mark.parametrize(("function", "red"), [(smoothed, False), (of_the_last_piece, True)])
def test_an_axis_may_be_one_less_than_a_size(function, red):
    subject = claimed(function)
    cases = [case for case, _ in zip(small(subject), range(6), strict=False)]
    assert all(dict(case.config.named.sizes)["width"] > 1 for case in cases)
    assert any(judge(CATALOG["time.step_by_step"], trial_of(subject, case)).red for case in cases) == red


def test_a_size_is_as_large_as_axes_need():
    kernel = NamedTensor("kernel", "batch width//2-1")
    assert dict(Named((("width", 8),), states=(kernel,)).but_sizes(width=1).sizes) == {"width": 4}


class Into(nn.Linear):
    """A part that says its sizes."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.input_size, self.hidden_size = input_size, hidden_size


class Memory(nn.Module):
    """Sums of outer products, whose axes are named after sizes of a part."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.into = Into(input_size, hidden_size)

    def forward(
        self,
        x: Float[Tensor, "batch time {self.into.input_size}"],
        s: Float[Tensor, "batch {self.into.hidden_size} {self.into.hidden_size}"] | None = None,
    ) -> tuple[
        Float[Tensor, "batch time {self.into.hidden_size}"],
        Float[Tensor, "batch {self.into.hidden_size} {self.into.hidden_size}"],
    ]:
        k = self.into(x)
        states = (k[..., None] * k[..., None, :]).cumsum(1)
        states = states if s is None else states + s[:, None]
        return (states @ k[..., None])[..., 0], states[:, -1]


@pytest.mark.parametrize("target", [Memory, Memory(3, 4)], ids=["class", "object"])
def test_an_axis_may_be_a_size_of_a_part(target):
    subject = claimed(target)
    assert "s -> second result: state" in subject.read_as
    outcomes = [
        judge(CATALOG[id], trial_of(subject, case))
        for case, _ in zip(small(subject), range(4), strict=False)
        for id in ("time.split", "shape.output", "batch.alone")
    ]
    assert not [one for one in outcomes if one.red] and sum(one.status == "holds" for one in outcomes) > 4
