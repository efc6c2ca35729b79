"""What takes whole chunks of steps alone is judged on such, and the report says so."""

import math

import pytest
import torch

from rnncheck.adapters.probing.kernel_calls import kernels_exist
from rnncheck.adapters.probing.refusals import how_it_fails
from rnncheck.campaign.tally import PropertyTally, kind_of, too_large
from rnncheck.catalog import CATALOG
from rnncheck.catalog.tools.follow_ups import ends
from rnncheck.errors import UsageError
from rnncheck.judging.judge import judge, out_of_claim, trial_of
from rnncheck.report.reading import read_as
from rnncheck.running.subject_errors import subject_boundary
from rnncheck.strategies.named import plain_named_case
from rnncheck.strategies.plan import plan
from rnncheck.strategies.structure import rows
from tests.adapters.support import claimed
from tests.catalog.support import killed, outcomes
from tests.effort import some
from tests.typed import whole_chunks
from tests.typed.test_right import TELLING
from tests.typed.whole_chunks import (
    CRASHES,
    MISTAKES,
    RIGHT,
    Attention,
    Halved,
    Halving,
    HalvingSixes,
    InFours,
    at_most_four,
    attended,
    eight_alone,
    eight_at_least,
    halving,
    halving_pairs,
    kept,
    loop,
    of_four,
    of_six,
    of_six_steps,
    of_sixty_four,
    or_one,
    unhalved,
)

CASES = 5


def in_four(x):
    if len(x) % 4:
        raise ValueError("four steps, or eight")


def unknown(x):
    raise KeyError(len(x))


def unpacked(x):
    first, last = x


def first_cases(subject, count=CASES):
    planned = plan(subject, ("float64", "float32"), 2, 0)
    return [next(planned) for _ in range(count)]


@pytest.mark.parametrize("function", RIGHT, ids=lambda function: function.__name__)
def test_it_is_judged_on_whole_chunks_and_nothing_is_red(function):
    subject, chunk = claimed(function), RIGHT[function]
    assert subject.steps == chunk and (f"steps: multiples of {chunk}" in read_as(subject)) is (chunk > 1)
    cases = first_cases(subject)
    assert all(case.time % chunk == 0 for case in cases) and len({case.time for case in cases}) > 2
    found = [judge(CATALOG[name], trial_of(subject, case)) for case in cases for name in (*TELLING, "time.step_by_step")]
    assert [outcome for outcome in found if outcome.red or "mistake" in (outcome.reason or "")] == []
    assert {"time.split", "time.step_by_step", "gradient.split"} <= {one.property for one in found if one.status == "holds"}


@pytest.mark.parametrize(("function", "words"), [(halving, "powers of two"), (halving_pairs, "powers of two from 2 on")])
def test_a_scan_that_halves_the_steps_is_judged_on_powers_of_two(function, words):
    subject = claimed(function)
    assert read_as(subject).endswith(f"; steps: {words}") and "must be a power of two" in subject.not_looked_at[0]
    cases = first_cases(subject)
    assert all(case.time.bit_count() == 1 for case in cases) and len({case.time for case in cases}) > 2
    found = [judge(CATALOG[name], trial_of(subject, case)) for case in cases for name in (*TELLING, "time.step_by_step")]
    assert [outcome for outcome in found if outcome.red or "mistake" in (outcome.reason or "")] == []
    assert {"time.split", "time.step_by_step", "gradient.split"} <= {one.property for one in found if one.status == "holds"}


@pytest.mark.parametrize(("function", "longest"), [(halving, 8), (halving_pairs, 16)])
def test_what_takes_powers_of_two_is_cut_where_both_parts_are_some(function, longest):
    subject = claimed(function)
    (case,) = first_cases(subject, 1)
    for id in ("time.split", "time.step_by_step", "gradient.split"):
        assert judge(CATALOG[id], trial_of(subject, case.but(time=longest))).status == "holds"
    assert ends(trial_of(subject, case.but(time=longest))) == [longest // 2]


def test_a_scan_that_halves_the_steps_is_compared_on_powers_of_two():
    for pair in ((halving, unhalved), (unhalved, halving)):
        subject = claimed(*pair)
        assert read_as(subject).endswith("; steps: powers of two") and subject.takes_steps(1) and not subject.takes_steps(6)
        found = [judge(CATALOG["agree.against"], trial_of(subject, case)) for case in first_cases(subject, 3)]
        assert {outcome.status for outcome in found} == {"holds"}


def test_two_that_take_no_number_of_steps_in_common_are_not_compared():
    for pair in ((of_six_steps, halving), (halving, of_six_steps)):
        with pytest.raises(UsageError, match="no case fits both"):
            claimed(*pair)
    assert read_as(claimed(of_six_steps, unhalved)).endswith("; steps: multiples of 6")


def test_a_form_that_takes_no_number_of_steps_of_its_layer_is_not_claimed():
    subject = claimed(HalvingSixes)
    (case,) = first_cases(subject, 1)
    outcome = judge(CATALOG["agree.forms"], trial_of(subject, case))
    assert outcome.status == "not_claimed" and outcome.reason.endswith("take no number of steps in common")


def test_how_other_numbers_of_steps_are_refused_is_said():
    (told,) = claimed(of_four).not_looked_at
    assert told == "numbers of steps other than multiples of 4: AssertionError: the number of steps must be a multiple of 4"


@pytest.mark.parametrize("function", [eight_at_least, eight_alone])
def test_what_takes_other_numbers_than_multiples_is_refused(function):
    with pytest.raises(UsageError, match="8 steps"):
        claimed(function)


@pytest.mark.parametrize("function", some(CRASHES, 2), ids=lambda function: function.__name__)
def test_a_call_that_crashes_refuses_no_number_of_steps(function):
    subject = claimed(function)
    assert subject.steps == 1 and subject.not_looked_at == ()
    assert any(judge(CATALOG["shape.output"], trial_of(subject, case)).red for case in first_cases(subject))


def test_a_chunk_that_may_have_fewer_steps_is_judged_on_whole_ones():
    subject = claimed(at_most_four)
    assert subject.steps == 2 and subject.takes_steps(1)
    found = [judge(CATALOG[name], trial_of(subject, case)) for case in first_cases(subject) for name in TELLING]
    assert [outcome for outcome in found if outcome.red] == []


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda x: x.view(-1, 4), "refused"),
        (lambda x: x.unflatten(0, (-1, 4)), "refused"),
        (lambda x: torch.stack([x[:2], x]), "crashed"),
        (lambda x: torch.nn.functional.linear(x, x[:2]), "crashed"),
        (lambda x: [0][len(x)], "crashed"),
        (in_four, "refused"),
        (unknown, "crashed"),
        (unpacked, "crashed"),
    ],
)
def test_what_is_raised_tells_a_refusal_from_a_mistake(call, kind):
    def called():
        with subject_boundary("calling"):
            call(torch.ones(5))

    assert how_it_fails(called)[0] == kind
    assert how_it_fails(lambda: None) is None


def test_a_single_step_is_looked_at_where_it_is_taken_beside_chunks():
    subject = claimed(or_one)
    assert subject.not_looked_at[0].startswith("numbers of steps other than 1 or multiples of 4: RuntimeError")
    held = [judge(CATALOG[id], trial_of(subject, case)).status for case in first_cases(subject) for id in ("time.prefill",)]
    assert "holds" in held and "errored" not in held


def test_a_single_step_is_taken_where_both_take_it():
    assert claimed(loop, or_one).takes_steps(1) and not claimed(loop, of_four).takes_steps(1)


def test_a_cache_is_cut_between_chunks():
    subject = claimed(kept)
    ids = [id for id in CATALOG if id.startswith("cache.")]
    found = [judge(CATALOG[id], trial_of(subject, case)) for case in first_cases(subject) for id in ids]
    assert [one for one in found if one.red] == []
    held = {one.property for one in found if one.status == "holds"}
    assert {"cache.pieces", "cache.steps", "cache.gradient", "cache.copied"} <= held


def test_one_chunk_alone_is_not_cut():
    subject = claimed(of_four)
    case = first_cases(subject, 1)[0].but(time=4)
    for id in ("time.split", "time.step_by_step", "gradient.split"):
        assert judge(CATALOG[id], trial_of(subject, case)).status in ("not_claimed", "not_applicable")


def test_kernels_are_tried_on_whole_chunks(monkeypatch):
    subject, called = claimed(of_four), []
    monkeypatch.setattr(whole_chunks, "attended", lambda *given: called.append(given) or attended(*given))
    kernels_exist(subject, first_cases(subject, 1)[0])
    assert called


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda function: function.__name__)
def test_a_mistake_is_seen(mistake):
    found = killed(CATALOG[MISTAKES[mistake]], claimed(mistake), 12)
    assert found is not None and found[1].status == "fails"


def test_a_single_step_is_not_claimed_of_it():
    subject = claimed(of_four)
    for case in first_cases(subject, 2):
        outcome = judge(CATALOG["time.prefill"], trial_of(subject, case))
        assert outcome.status in ("not_claimed", "not_applicable"), outcome
    planned = plain_named_case(rows(subject, ("float32",), 2, "cpu")[0], subject)
    assert planned.time % 4 and "multiples of 4" in out_of_claim(CATALOG["time.split"], subject, planned).reason


@pytest.mark.parametrize(("target", "reference"), [(of_four, loop), (loop, of_four), (of_four, of_six)])
def test_two_are_compared_on_chunks_of_both(target, reference):
    subject = claimed(target, reference)
    assert subject.steps == (12 if reference is of_six else 4) and read_as(subject).count("steps: ") == 1
    found = [judge(CATALOG["agree.against"], trial_of(subject, case)) for case in first_cases(subject, 3)]
    assert {outcome.status for outcome in found} == {"holds"}


@pytest.mark.parametrize(
    ("layer", "steps", "of_form", "status"),
    [
        (Attention, 1, (4, False), None),
        (InFours, 4, (6, False), None),
        (Halved, 1, (4, False), "fails"),
        (Halving, 1, (2, True), None),
    ],
)
def test_a_form_in_chunks_is_given_whole_ones(layer, steps, of_form, status):
    subject = claimed(layer)
    assert subject.steps == steps and subject.nature["steps_of_forms"] == {"in chunks": of_form}
    shown = next(case for case, _ in outcomes(CATALOG["agree.forms"], subject, 1))
    for time in () if status else (steps, 3 * math.lcm(steps, of_form[0])):
        assert judge(CATALOG["agree.forms"], trial_of(subject, shown.but(time=time))).status == "holds"
    found = killed(CATALOG["agree.forms"], subject, 6)
    assert (found and found[1].status) == status


def test_a_case_of_a_chunk_is_no_large_one():
    subject, numerical = claimed(of_sixty_four), CATALOG["gradient.numerical"]
    case = first_cases(subject, 1)[0].but(time=64)
    assert too_large(numerical, case) and not too_large(numerical, case, chunk=subject.steps)
    assert PropertyTally(numerical).wants(case, **kind_of(case, subject))
