"""What is right stays clean, whatever its arguments, states and options are."""

import pytest
import torch

import rnncheck
from examples.gated_linear_attention import chunked, loop, parallel
from rnncheck.adapters.targets.resolve import subjects
from rnncheck.catalog import CATALOG
from rnncheck.core.case import Case
from rnncheck.judging.judge import judge, trial_of
from rnncheck.running.trial import Trial
from rnncheck.strategies.plan import plan
from tests.adapters.support import claimed
from tests.effort import some
from tests.typed.cases import small
from tests.typed.right import RIGHT, scan_of, stub, stub_with_body, untyped

TELLING = ("shape.output", "shape.state", "time.split", "time.split_packed", "batch.alone", "state.fresh", "layout.no_mutation",
           "lengths.each_alone", "lengths.module", "lengths.zero",
           "time.reset", "time.causal", "state.moves", "state.used", "gradient.every_output",
           "gradient.numerical", "gradient.second", "gradient.split", "graph.memory",
           "layout.strides", "life.copied", "weights.trainable", "weights.blocks")  # fmt: skip
CASES = 6


def planned(subject, count=CASES):
    cases = small(subject)
    return [next(cases) for _ in range(count)]


@pytest.fixture(scope="module", params=some(RIGHT, 12))
def settled(request):
    return claimed(f"tests/typed/right.py:{request.param}", **RIGHT[request.param])


def test_nothing_is_red(settled):
    outcomes = [judge(CATALOG[name], trial) for case in planned(settled) for trial in [trial_of(settled, case)] for name in TELLING]
    outcomes = [outcome for outcome in outcomes if not CATALOG["time.causal"].warns_of(outcome.mismatches)]
    assert [outcome for outcome in outcomes if outcome.red or "mistake" in (outcome.reason or "")] == []
    assert sum(outcome.status == "holds" for outcome in outcomes) > 4 * CASES


def test_a_first_state_that_is_not_zero_warns():
    subject = claimed("tests/typed/right.py:in_logarithms")
    zero, same = CATALOG["state.default_is_zero"], CATALOG["time.same_weights"]
    trials = [trial_of(subject, case) for case in planned(subject)]
    outcomes = [judge(zero, trial) for trial in trials]
    assert all(zero.warns_of(outcome.mismatches) for outcome in outcomes if outcome.red) and any(
        outcome.red for outcome in outcomes
    )
    assert not any(judge(same, trial).red for trial in trials)


def test_outputs_that_come_one_step_late_warn():
    subject = claimed("tests/typed/right.py:forecasting")
    causal = CATALOG["time.causal"]
    outcomes = [judge(causal, trial_of(subject, case)) for case in planned(subject) if case.time > 1 and case.batch]
    assert outcomes and all(outcome.red and causal.warns_of(outcome.mismatches) for outcome in outcomes)


def test_a_forecast_of_one_step_alone_may_be_a_constant():
    subject = claimed("tests/typed/right.py:forecasting")
    case = next(case for case in plan(subject, ("float32",), 2, 0) if case.hx == "none" and case.batch)
    for time in (1, 3):
        assert judge(CATALOG["gradient.every_output"], trial_of(subject, case.but(time=time, lengths=None))).status == "holds"


def test_a_step_may_move_less_than_a_digit():
    subject = claimed("tests/typed/right.py:above_a_bound")
    trials = [trial_of(subject, case.but(dtype="bfloat16")) for case in planned(subject)]
    assert {judge(CATALOG["weights.trainable"], trial).status for trial in trials} == {"holds"}


def test_counts_are_exact():
    """Whole numbers that are rounded would let nothing be said of what depends on them."""
    subject = claimed("tests/typed/right.py:by_the_clock")
    assert all(bool(trial_of(subject, case).budget.allowed.output.isfinite().all()) for case in planned(subject))


def test_the_features_of_all_heads_together_are_a_size():
    subject = claimed("tests/typed/right.py:SplitIntoHeads")
    assert "SplitIntoHeads(embed_dim=axis_size('heads*head_dim', sizes), num_heads=sizes['heads'])" in subject.source


def test_a_state_that_is_added_in_place_is_not_mapped_over():
    subject = claimed("tests/typed/right.py:added_in_place")
    assert not subject.offers("vmap")
    assert "shape" in subject.claims["vmap"].why


def test_a_case_comes_back_from_json(settled):
    for case in planned(settled):
        assert Case.from_json(case.to_json()) == case


@pytest.mark.parametrize(("target", "reference"), [(chunked, loop), (parallel, loop), (loop, chunked)])
def test_forms_of_one_recurrence_agree(target, reference):
    subject = claimed(target, reference)
    for case in planned(subject, 8):
        case = case.but(dtype="float64", switches=())
        trial = Trial(subject, case)
        beside = Trial(subject.reference, case, trial.tensors)
        for (name, one), (_, other) in zip(trial.run.parts(), beside.run.parts(), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10, msg=f"{name} of {case}")


def test_a_stub_with_a_body_is_the_reference():
    assert subjects(untyped, typed=stub_with_body)[0].reference is not None
    assert subjects(untyped, typed=stub)[0].reference is None


def test_what_was_understood_is_said():
    assert subjects(chunked)[0].read_as == (
        "q, k, v, log_decay: sequences; initial_state -> second result: state (heads key value); chunk_size: option 16, 4"
    )
    assert "u: parameters" in subjects(untyped, typed=stub)[0].read_as
    assert subjects("tests/typed/right.py:by_offsets")[0].read_as.endswith("cu_seqlens: offsets of sequences laid end to end")


def test_a_stub_is_part_of_the_name_and_found_by_it():
    (subject,) = subjects("tests/typed/right.py:untyped", typed="tests/typed/right.py:stub")
    assert subject.name == "tests/typed/right.py:untyped typed by tests/typed/right.py:stub"
    (again,) = subjects(subject.name)
    assert again.named == subject.named


def test_parameters_are_moved_off_their_first_values():
    subject = claimed("tests/typed/right.py:HeadNorm")
    weight = Trial(subject, planned(subject, 1)[0]).build().parameters()["layer.weight"]
    assert bool(((weight - 1).abs() > 0.01).any())


def test_the_steps_of_a_scan_are_those_of_the_step():
    k, v, beta = torch.randn(2, 3, 4), torch.randn(2, 3, 5), torch.rand(2, 3)
    output, state = scan_of()(k, v, beta)
    assert output.shape == (2, 3, 5) and state.shape == (2, 4, 5)
    first, carried = scan_of()(k[:, :1], v[:, :1], beta[:, :1])
    rest, last = scan_of()(k[:, 1:], v[:, 1:], beta[:, 1:], initial_state=carried)
    torch.testing.assert_close(torch.cat([first, rest], 1), output)
    torch.testing.assert_close(last, state)
    with pytest.raises(rnncheck.UsageError, match="is no step"):
        rnncheck.scan(untyped)


def test_what_would_allocate_production_sizes_is_not_built_on_meta():
    subject = claimed("tests/typed/allocating.py:Allocating", dear=True)
    assert not subject.offers("meta") and "allocates decay there" in subject.claims["meta"].why
