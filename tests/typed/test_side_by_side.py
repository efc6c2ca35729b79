"""States that come back as None, whole or in part, are carried as calls show; so are several that no type describes."""

from itertools import islice

import pytest
from jaxtyping import Int
from torch import Tensor

from rnncheck.adapters.targets.resolve import subjects
from rnncheck.campaign.probing import asked_only, probe_all
from rnncheck.catalog import CATALOG
from rnncheck.judging.judge import judge, trial_of
from tests.adapters.support import claimed
from tests.effort import some
from tests.typed.carried_whole import X
from tests.typed.cases import only_the_mistake_fails, small
from tests.typed.positions import Q, S, V, of_rows
from tests.typed.side_by_side import MISTAKES, RIGHT, Memory, divided, lists_swapped, size_lost, two_lists, when_asked
from tests.typed.test_mistaken import red

ASKED = ("cache.pieces", "cache.steps", "cache.gradient", "time.split", "state.used", "shape.output", "batch.alone")


@pytest.mark.parametrize("target", some(RIGHT, 2), ids=lambda target: target.__name__)
def test_what_is_right_is_carried_and_clean(target):
    subject = claimed(target)
    assert RIGHT[target] in subject.read_as
    seen = [judge(CATALOG[id], trial_of(subject, case)) for case in islice(small(subject), 3) for id in ASKED]
    assert [outcome for outcome in seen if outcome.red or "mistake" in (outcome.reason or "")] == []
    expected = {"time.split", "state.used"} if target is when_asked else {"cache.pieces", "cache.steps", "cache.gradient"}
    assert {outcome.property for outcome in seen if outcome.status == "holds"} >= expected


@pytest.mark.parametrize("mistake", some(MISTAKES, 2), ids=lambda function: function.__name__)
def test_a_mistake_is_seen(mistake):
    assert red(claimed(mistake), CATALOG[MISTAKES[mistake]]).status == "fails"


@pytest.mark.parametrize(("mistake", "right"), [(size_lost, divided), (lists_swapped, two_lists)])
def test_the_script_of_a_mistake_fails_and_passes_for_the_right_function(mistake, right):
    assert only_the_mistake_fails(mistake, right, MISTAKES[mistake])


def unsized(x: X, memory: Memory | None = None, normalised: bool = False) -> tuple[X, Memory]:
    y, memory = divided(x, memory, normalised)
    return y, Memory(memory.h, memory.h)


def further(q: Q, k: Q, v: V, past_kv: S | None = None, seen: Int[Tensor, "batch"] | None = None) -> tuple[V, S]:
    output, state = of_rows(q, k, v, past_kv, seen)
    return 1.01 * output, state


@pytest.mark.parametrize(("target", "right", "status"), [(divided, divided, "holds"), (unsized, divided, "holds"),
                                                         (of_rows, of_rows, "holds"), (further, of_rows, "fails")])  # fmt: skip
def test_both_are_called_alike_where_calls_show_it_of_one(target, right, status):
    (subject,) = probe_all(asked_only(subjects(target, against=right), []), "inline")
    seen = [judge(CATALOG["agree.against"], trial_of(subject, case)).status for case in islice(small(subject), 4)]
    assert {*seen} == {status}
