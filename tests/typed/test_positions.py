"""An option that says how many steps come before a call is seen as such where pieces are the whole with it, and carried."""

from itertools import islice

import pytest
import torch
from jaxtyping import Int
from torch import Tensor

from rnncheck.catalog import CATALOG
from rnncheck.judging.judge import IN_PIECES, judge, trial_of
from tests.adapters.support import claimed
from tests.effort import some
from tests.typed.cases import only_the_mistake_fails, small
from tests.typed.positions import MISTAKES, RIGHT, H, X, beside_a_cache, beside_a_list, in_pairs, of_rows, retention
from tests.typed.test_mistaken import red

CARRIED, OF_CACHES = ("cache.pieces", "cache.steps", "cache.gradient"), ("cache.copied", "cache.fresh")
BESIDE = ("state.used", "state.fresh", "gradient.through_final_state", "batch.alone", "gradient.numerical")


OFTEN = (retention, of_rows, beside_a_cache)


@pytest.mark.parametrize(
    "target", [*OFTEN, *some([one for one in RIGHT if one not in OFTEN], 5)], ids=lambda target: target.__name__
)
def test_a_position_is_carried_and_nothing_is_red(target):
    subject = claimed(target)
    what = "each step" if RIGHT[target] in ("position_ids", "cache_position") else "the call"
    assert f"; {RIGHT[target]}: how many steps come before {what}" in subject.read_as and "never given" not in subject.read_as
    cases = list(islice(small(subject), 4))
    seen = [judge(CATALOG[id], trial_of(subject, case)) for case in cases for id in (*CARRIED, *OF_CACHES, *BESIDE, *IN_PIECES)]
    assert [outcome for outcome in seen if outcome.red or "mistake" in (outcome.reason or "")] == []
    caches = target in (beside_a_cache, beside_a_list)
    expected = {*CARRIED, *(OF_CACHES if caches else BESIDE)} - (
        {"cache.steps", "gradient.numerical"} if target is in_pairs else set()
    )
    assert {outcome.property for outcome in seen if outcome.status == "holds"} >= expected
    assert all(caches or "family cache" in outcome.reason for outcome in seen if outcome.property == "time.split")


@pytest.mark.parametrize("mistake", some(MISTAKES, 4), ids=lambda function: function.__name__)
def test_a_mistake_is_seen(mistake):
    assert red(claimed(mistake), CATALOG[MISTAKES[mistake]]).status == "fails"


@pytest.mark.parametrize("name", ["within_a_table", "detached"])
def test_the_script_of_a_mistake_fails_and_passes_for_the_right_function(name):
    mistake = next(one for one in MISTAKES if one.__name__ == name)
    assert only_the_mistake_fails(mistake, retention, MISTAKES[mistake])


def in_parts(x: X, h0: H | None = None, most: int = 4) -> tuple[X, H]:
    """How many steps it takes at once changes no number."""
    h, outputs = torch.zeros_like(x[:, 0]) if h0 is None else h0, []
    for part in x.split(max(most, 1), 1):
        for step in part.unbind(1):
            h = 0.5 * h + step
            outputs.append(h)
    return torch.stack(outputs, 1), h


def test_what_changes_nothing_is_no_position():
    subject = claimed(in_parts)
    assert "how many steps come before" not in subject.read_as
    assert "holds" in {judge(CATALOG["time.split"], trial_of(subject, case)).status for case in islice(small(subject), 4)}


def of_lengths(x: X, lengths: Int[Tensor, "batch"], past: list[H] | None = None, offset: int = 0) -> tuple[X, list[H]]:
    """Each sequence ends with its length; the position is that of the whole batch."""
    h, outputs = torch.zeros_like(x[:, 0]) if past is None else past[0], []
    for t in range(x.shape[1]):
        inside = (t < lengths)[:, None]
        h = torch.where(inside, 0.5 * h + x[:, t] / (1 + offset + t), h)
        outputs.append(torch.where(inside, h, 0))
    return torch.stack(outputs, 1), [h]


def test_rows_that_have_come_to_several_positions_share_no_number():
    subject = claimed(of_lengths)
    assert "offset: how many steps come before the call" in subject.read_as and subject.offers("lengths")
    seen = [judge(CATALOG["cache.prefill"], trial_of(subject, case)) for case in islice(small(subject), 6)]
    assert {(outcome.status, outcome.reason) for outcome in seen if outcome.status != "not_applicable"} == {
        ("not_claimed", "the number of steps before a call is one number, and these rows have several")
    }
