"""batch.*: what each property catches, and what it lets through."""

from itertools import islice

import pytest

from rnncheck.catalog import CATALOG
from rnncheck.config import MODES
from rnncheck.judge import judge
from rnncheck.strategies import rows
from rnncheck.strategies.cases import plain_case
from rnncheck.strategies.cliffs import EVERYWHERE, SIZES, is_large, on_cliffs
from rnncheck.strategies.cliffs import LAYERS as DEEP
from rnncheck.trial import Trial
from tests.catalog.support import TORCH, complaints, killed, outcomes, subject_of
from tests.mutants import MUTANTS

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
ERRORED = {"batch.empty", "batch.empty_backward"}
"""Where a mutant fails by raising."""
GENERIC = [prop for prop in KILLS if prop != "batch.cliffs"]


@pytest.mark.parametrize("prop", GENERIC)
def test_a_mutant_is_killed(prop):
    case, outcome = killed(CATALOG[prop], subject_of(MUTANTS[KILLS[prop]]))
    assert outcome.status == ("errored" if prop in ERRORED else "fails"), case


def test_one_layer_is_asked_for_the_batch_and_for_each_sequence():
    """A default state that is made for the first batch, and kept, needs a second batch of another size."""
    assert killed(CATALOG["batch.alone"], subject_of(MUTANTS["trace-bakes-batch"])) is not None


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("prop", GENERIC)
def test_torch_is_clean(prop, mode):
    assert complaints(CATALOG[prop], TORCH[mode], 12) == []


@pytest.mark.parametrize("prop", GENERIC)
def test_something_is_checked(prop):
    assert any(outcome.status == "holds" for mode in MODES for _, outcome in outcomes(CATALOG[prop], TORCH[mode], 1))


def cliff_cases(subject, count):
    structure = rows(subject, ("float32", "float64", "bfloat16", "float16"), 2)
    return list(islice(on_cliffs([plain_case(row, subject) for row in structure]), count))


def judged_on_cliffs(subject, count):
    return [(case, judge(CATALOG["batch.cliffs"], Trial(subject, case))) for case in cliff_cases(subject, count)]


@pytest.mark.parametrize("mutant", ["rocm-large-batch", "int32-offsets", "own-vector-tail", "long-sequence-limit"])
def test_a_cliff_is_found(mutant):
    assert any(outcome.red for _, outcome in judged_on_cliffs(subject_of(MUTANTS[mutant]), 40))


@pytest.mark.parametrize("mode", MODES)
def test_every_cliff_is_stood_on(mode):
    """Each case is large, and its lengths fit; each size stands on each axis, after all axes at once, twice, and many layers."""
    found = cliff_cases(TORCH[mode], 100)
    assert len(found) == 3 + 4 * len(SIZES) and all(is_large(case) for case in found)
    sizes = [(case.time, case.rows, case.config.hidden_size, case.config.input_size) for case in found[:2]]
    assert sizes == [(EVERYWHERE,) * 4] * 2
    assert found[2].config.num_layers == DEEP
    for axis in ("hidden_size", "input_size"):
        assert {getattr(case.config, axis) for case in found} >= set(SIZES)
    for axis in ("time", "rows"):
        assert {getattr(case, axis) for case in found} >= set(SIZES)
    assert all(case.lengths is None or max(case.lengths) == case.time for case in found)


@pytest.mark.parametrize("mode", MODES)
def test_an_odd_cliff_shows_every_rest(mode):
    """All sizes are odd, the projection aside; one beyond a power of two a row that goes wrong is no padding."""
    odd = [case for case in cliff_cases(TORCH[mode], 100)[3:] if is_odd(case)]
    assert len(odd) == 4 * sum(size % 2 for size in SIZES)
    padded = [case for case in odd if case.lengths is None]
    assert len(padded) == 4 * sum((size - 1).bit_count() == 1 for size in SIZES)
    assert all(case.config.bias and case.dtype in ("float32", "float64") for case in padded)


def is_odd(case):
    return all(size % 2 for size in (case.time, case.rows, case.config.hidden_size, case.config.input_size))


def test_an_instance_keeps_its_own_sizes():
    plain = cliff_cases(TORCH["GRU"], 8)[:4]
    assert {case.config for case in on_cliffs(plain, fixed=True)} <= {case.config for case in plain}


@pytest.mark.parametrize("mode", MODES)
def test_torch_has_no_cliffs(mode):
    judged = judged_on_cliffs(TORCH[mode], 12)
    assert [(str(case), outcome.mismatches) for case, outcome in judged if outcome.red] == []
    assert any(outcome.status == "holds" for _, outcome in judged)
