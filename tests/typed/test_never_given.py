"""Whole numbers at each step that may be left out are never given; the one sequence that is left always is."""

from itertools import islice

import pytest
import torch
from jaxtyping import Float, Int
from torch import Tensor

from rnncheck.adapters.targets.resolve import subjects
from rnncheck.catalog import CATALOG
from rnncheck.errors import UsageError
from rnncheck.judging.judge import judge, trial_of
from tests.adapters.support import claimed
from tests.typed.cases import small

X, H, Whole = Float[Tensor, "batch time units"], Float[Tensor, "batch units"], Int[Tensor, "batch time"]


def of_segments(x: X, seq_idx: Whole | None = None, h0: H | None = None) -> tuple[X, H]:
    """A sum, which begins anew where a segment does."""
    h, outputs = torch.zeros_like(x[:, 0]) if h0 is None else h0, []
    for t in range(x.shape[1]):
        new = False if seq_idx is None or t == 0 else (seq_idx[:, t] != seq_idx[:, t - 1])[:, None]
        h = 0.5 * torch.where(torch.as_tensor(new), 0, h) + x[:, t]
        outputs.append(h)
    return torch.stack(outputs, 1), h


def without_its_state(x: X, seq_idx: Whole | None = None, h0: H | None = None) -> tuple[X, H]:
    """Wrong: several steps at once begin without a state."""
    return of_segments(x, seq_idx, h0 if x.shape[1] == 1 else None)


def of_either(input_ids: Whole | None = None, inputs_embeds: X | None = None, h0: H | None = None) -> tuple[X, H]:
    """Wants one of the two, as language models do."""
    assert (input_ids is None) != (inputs_embeds is None)
    return of_segments(inputs_embeds, h0=h0)


def of_ids_alone(input_ids: Whole | None = None, h0: H | None = None) -> tuple[X, H]: ...


@pytest.mark.parametrize(
    ("function", "never", "red"),
    [(of_segments, "seq_idx", False), (without_its_state, "seq_idx", True), (of_either, "input_ids", False)],
)
def test_the_others_are_given(function, never, red):
    subject = claimed(function)
    assert subject.read_as.endswith(f"; {never}: never given") and subject.choices == {}
    outcomes = [judge(CATALOG["time.step_by_step"], trial_of(subject, case)) for case in islice(small(subject), 6)]
    assert any(one.red for one in outcomes) == red and (red or {one.status for one in outcomes} == {"holds"})


def test_ids_alone_are_refused():
    with pytest.raises(UsageError, match="input_ids has a time axis and no real numbers"):
        subjects(of_ids_alone)
