"""batch.*: what each property catches, and what it lets through."""

from collections import Counter
from itertools import combinations, islice

import pytest
from torch import nn

from rnncheck.catalog import CATALOG
from rnncheck.core.config import MODES
from rnncheck.judging.judge import judge
from rnncheck.running.trial import Trial
from rnncheck.strategies import rows
from rnncheck.strategies.cases import plain_case
from rnncheck.strategies.cliffs import AXES, DEPTHS, EVERYWHERE, PAIRED, SIZES, is_large, on_cliffs
from tests.adapters.support import claimed
from tests.catalog.support import TORCH, claiming, complaints, killed, outcomes, subject_of
from tests.effort import at_night, some
from tests.mutants import EXTRA, MUTANTS
from tests.mutants.planted.rounding import CORRECT
from tests.strangers import results_beside

KILLS = {
    "batch.alone": "batch-gt-1",
    "batch.permute": "view-instead-of-transpose",
    "batch.gradient_alone": "own-gradient-averaged-over-batch",
    "batch.unbatched": "own-unbatched-ignores-hx",
    "batch.empty": "own-empty-batch-crashes",
    "batch.empty_backward": "own-empty-batch-forgets-directions",
    "batch.poisoned": "own-nan-spreads-over-batch",
    "batch.cliffs": "rocm-large-batch",
}
KILLS_OF_CLAIMS = {"batch.invariant": "own-rounds-by-batch"}
KILLS_OF_READ = {"batch.beside": "BridgedByView"}
RAISES = {"batch.empty", "batch.empty_backward"}


def test_what_is_claimed_bit_for_bit_is_held_to_it():
    prop, subject = CATALOG["batch.invariant"], claiming("batch_invariant", EXTRA["own-rounds-by-batch"])
    assert killed(prop, subject) is not None
    assert complaints(CATALOG["batch.alone"], subject, 6) == []  # it is right, but for the last bit
    assert complaints(prop, claiming("batch_invariant", CORRECT["term-by-term"]), 6) == []


def test_one_layer_is_asked_for_the_batch_and_for_each_sequence():
    """A default state that is made for the first batch, and kept, needs a second batch of another size."""
    assert killed(CATALOG["batch.alone"], subject_of(MUTANTS["trace-bakes-batch"])) is not None


@pytest.mark.parametrize("mistake", results_beside.MISTAKES)
def test_what_comes_back_beside_may_not_mix_sequences(mistake):
    _, outcome = killed(CATALOG["batch.beside"], claimed(mistake), 6)
    assert outcome.status == "fails" and "beside other sequences" in outcome.mismatches[0]


@pytest.mark.parametrize("right", results_beside.RIGHT)
def test_what_comes_back_beside_is_looked_at_where_it_is_right(right):
    assert {outcome.status for _, outcome in outcomes(CATALOG["batch.beside"], claimed(right), 4)} == {"holds"}


def test_of_a_layer_that_returns_nothing_beside_nothing_is_said():
    assert list(outcomes(CATALOG["batch.beside"], claimed(nn.GRU), 1)) == []


def cliff_cases(subject, count):
    structure = rows(subject, ("float32", "float64", "bfloat16", "float16"), 2)
    return list(islice(on_cliffs([plain_case(row, subject) for row in structure]), count))


def judged_on_cliffs(subject, count):
    return ((case, judge(CATALOG["batch.cliffs"], Trial(subject, case))) for case in cliff_cases(subject, count))


@pytest.mark.parametrize("mutant", some(["rocm-large-batch", "int32-offsets", "own-vector-tail", "long-sequence-limit"], 2))
def test_a_cliff_is_found(mutant):
    assert any(outcome.red for _, outcome in judged_on_cliffs(subject_of(MUTANTS[mutant]), 40))


def sizes_of(case):
    return {"hidden_size": case.config.hidden_size, "batch": case.rows, "time": case.time, "input_size": case.config.input_size}


@pytest.mark.parametrize("mode", MODES)
def test_every_cliff_is_stood_on(mode):
    """All axes at once, twice, and deep stacks; then each size on each axis, and every two axes at once; lengths fit."""
    found = cliff_cases(TORCH[mode], 100)
    assert all(is_large(case) for case in found)
    assert [set(sizes_of(case).values()) for case in found[:2]] == [{EVERYWHERE}] * 2
    assert [case.config.num_layers for case in found[2 : 2 + len(DEPTHS)]] == list(DEPTHS)
    after = [sizes_of(case) for case in found[2 + len(DEPTHS) :]]
    high = Counter(tuple((axis, size) for axis, size in sizes.items() if size >= min(SIZES)) for sizes in after)
    singles = [((axis, size),) for axis in AXES for size in SIZES]
    pairs = [tuple((axis, PAIRED - 2 * (axes == ("batch", "time"))) for axis in axes) for axes in combinations(AXES, 2)]
    assert high == Counter([*singles, *pairs])
    assert all(case.lengths is None or max(case.lengths) == case.time for case in found)


@pytest.mark.parametrize("mode", MODES)
def test_there_are_many_different_lengths(mode):
    assert max(len(set(case.lengths or ())) for case in cliff_cases(TORCH[mode], 100)) == PAIRED - 2


@pytest.mark.parametrize("mode", MODES)
def test_an_odd_cliff_shows_every_rest(mode):
    """All sizes are odd, the projection aside; on one axis beyond a power of two a row that goes wrong is no padding."""
    odd = [case for case in cliff_cases(TORCH[mode], 100) if is_odd(case)]
    assert len(odd) == 4 * sum(size % 2 for size in SIZES) + 6
    padded = [case for case in odd if case.lengths is None]
    assert len(padded) == 4 * sum((size - 1).bit_count() == 1 for size in SIZES) + 5
    assert all(case.config.bias and case.dtype in ("float32", "float64") for case in padded)


def is_odd(case):
    return all(size % 2 for size in (case.time, case.rows, case.config.hidden_size, case.config.input_size))


def test_an_instance_keeps_its_own_sizes():
    plain = cliff_cases(TORCH["GRU"], 8)[:4]
    assert {case.config for case in on_cliffs(plain, fixed=True)} <= {case.config for case in plain}


@pytest.mark.parametrize("mode", MODES)
def test_torch_has_no_cliffs(mode):
    judged = list(judged_on_cliffs(TORCH[mode], at_night(12, 6)))
    assert [(str(case), outcome.mismatches) for case, outcome in judged if outcome.red] == []
    assert any(outcome.status == "holds" for _, outcome in judged)
