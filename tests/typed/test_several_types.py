"""Where an argument or a result may have one of several types, the one with the most tensors counts."""

from collections.abc import Sequence
from itertools import islice

import pytest
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from rnncheck.adapters.targets.resolve import subjects
from rnncheck.catalog import CATALOG
from rnncheck.judging.judge import judge, trial_of
from tests.adapters.support import claimed
from tests.typed.cases import small

X, H = Float[Tensor, "batch time units"], Float[Tensor, "batch units"]


def state_if_asked(
    x: X | PackedSequence,
    lengths: Sequence[int] | Int[Tensor, " batch"] | None = None,
    h0: float | H = 0.0,
    return_state: bool = False,
) -> X | tuple[X, H]:
    """A leaky sum whose final state comes back where it is asked for."""
    h, outputs = torch.zeros_like(x[:, 0]) + h0, []
    for t in range(x.shape[1]):
        new = 0.5 * h + x[:, t]
        h = new if lengths is None else torch.where((t < lengths)[:, None], new, h)
        outputs.append(h)
    y = torch.stack(outputs, 1)
    return (y, h) if return_state else y


def state_of_the_padding(
    x: X, lengths: list[int] | Int[Tensor, " batch"] | None = None, h0: H | None = None, return_state: bool = False
) -> X | tuple[X, H]:
    """Wrong: the state runs on through the padding."""
    result = state_if_asked(x, lengths, 0.0 if h0 is None else h0, return_state=True)
    _, h = state_if_asked(x, None, 0.0 if h0 is None else h0, return_state=True)
    return (result[0], h) if return_state else result[0]


class Module(nn.Module):
    def forward(self, x: X, gate: X, h0: H | None = None, return_state: bool = False) -> X | tuple[X, H]:
        return state_if_asked(x * gate.sigmoid(), None, 0.0 if h0 is None else h0, return_state=return_state)


@pytest.mark.parametrize(("target", "wrong"), [(state_if_asked, False), (state_of_the_padding, True), (Module, False)])
def test_the_state_comes_back_and_lengths_are_told(target, wrong):
    subject = claimed(target)
    assert "h0 -> second result: state (units)" in subject.read_as and ("lengths of" in subject.read_as or target is Module)
    names = ("shape.output", "time.split", "state.used", "lengths.padding_ignored", "lengths.each_alone")
    seen = [judge(CATALOG[name], trial_of(subject, case)) for case in islice(small(subject), 8) for name in names]
    assert any(one.red for one in seen) == wrong and any(one.status == "holds" for one in seen)


def test_of_several_types_without_tensors_none_is_taken():
    def rounded(x: X, digits: int | str = 3, h0: H | None = None) -> tuple[X, H]: ...

    assert "digits" not in subjects(rounded)[0].read_as
