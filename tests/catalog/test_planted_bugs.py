"""Each mutant differs from its clean twin, and the clean ones agree with torch, by plain comparison in torch."""

import warnings
from collections.abc import Iterable
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import tests.mutants.observations.graphs  # noqa: F401
import tests.mutants.observations.life  # noqa: F401
import tests.mutants.observations.memory_and_refusals  # noqa: F401
import tests.mutants.observations.seldom_used  # noqa: F401
from rnncheck.backend.torch_state import preserved
from tests.effort import some
from tests.mutants import BUGS, MUTANTS, NOT_PLANTED
from tests.mutants.controls.correct import CORRECT
from tests.mutants.observations.cells_and_clipping import cell_situations, clip_situations, step_situations
from tests.mutants.observations.situations import LAYOUTS, SITUATIONS, builder
from tests.mutants.planted.cells import GRUCell, LSTMCell
from tests.mutants.planted.clipping import clip_grad_norm_

TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4, torch.float16: 3e-2, torch.bfloat16: 3e-2}
INEXACT = (
    "a_weight_changed_before_backward",  # which a checkpoint does not see
    "dtypes", "transforms", "compiled", "stacked_and_compiled", "autocast_to_half", "autocast_of_low_input",
)  # fmt: skip
NOT_ON_THIS_PROCESSOR = "RuntimeError: could not create a primitive descriptor"
"""What oneDNN's LSTM says to a dtype under autocast that the processor has no instructions for."""
EXACT = [name for name in SITUATIONS if name not in INEXACT]
"""All but those where torch rounds otherwise or has no rule, and the slowest."""
SLOW = (
    "batches", "compiled", "incoming_gradients_are_the_callers", "meta", "more_than_1024_steps", "more_than_1024_units",
    "stacked_and_compiled", "tensors_alive", "transforms",
)  # fmt: skip
TELLING = (
    "autocast_to_half", "one_step", "new_layer_with_projection", "refusals", "refused_in_the_middle", "all_dropped",
    "autocast_after_a_change", "state_given_in_inference_mode", "large_input_rectified", "loaded_as_part_of_a_model",
    "twenty_lengths", "nan_in_the_last_state", "more_than_1024_features", "wide_and_many", "random_state",
    "gradients_of_the_output_alone", "a_weight_changed_before_backward", "packed_then_padded", "settings", "sharing",
    "scaled_losses", "packed_projection", "unbatched",
)  # fmt: skip
"""In one of which three of four mutants differ; first those in which the most do for the time that they take."""
QUICK_FIRST = sorted(SITUATIONS, key=lambda name: (name in SLOW, TELLING.index(name) if name in TELLING else len(TELLING)))
"""A mutant is done with at the first situation in which it differs."""


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def snapshot(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().clone()
    return [snapshot(v) for v in value] if isinstance(value, list) else value


def record(happenings: Iterable[Any]) -> list[Any]:
    """What happened, as copies; an exception is the last thing that happens."""
    seen: list[Any] = []
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            seen.extend(snapshot(value) for value in happenings)
        except Exception as error:
            seen.append(f"{type(error).__name__}: {error}")
    return seen


def same(a: Any, b: Any) -> bool:
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if not isinstance(a, Tensor) or not isinstance(b, Tensor):
        return type(a) is type(b) and bool(a == b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if torch.equal(a, b):
        return True
    largest = float(b.double().nan_to_num(0, 0, 0).abs().max()) if b.numel() else 0.0
    tolerance = TOLERANCE.get(a.dtype, 0.0)
    return torch.allclose(a.double(), b.double(), rtol=tolerance, atol=tolerance * largest, equal_nan=True)


@cache
def layer_record(situation: str, target: type, like: type) -> list[Any]:
    return record(SITUATIONS[situation](builder(target, like)))


def differs(mutant, situation: str) -> bool:
    with preserved():
        does = record(SITUATIONS[situation](builder(mutant.target, mutant.like)))
    return not same(does, layer_record(situation, mutant.clean, mutant.like))


@pytest.mark.parametrize("bug", some([bug for bug, mutant in MUTANTS.items() if mutant.kind == "layer"], 6))
def test_a_mutant_differs_from_its_clean_twin(bug):
    assert any(differs(MUTANTS[bug], situation) for situation in QUICK_FIRST)


LEAVES_AUTOCAST = "own-step-autocast-stays"
"""It would keep torch's cache of cast weights alive for all tests behind it; tests/catalog/test_step.py judges it."""


def on_one_rank(mutant):
    """Whether it is seen without other ranks; tests/catalog/test_clip_shards.py judges the others."""
    return mutant.property_hint != ("clip.shards",)


@pytest.mark.parametrize("bug", [bug for bug, mutant in MUTANTS.items() if mutant.kind == "cell"])
def test_a_cell_differs_from_its_clean_twin(bug):
    mutant = MUTANTS[bug]
    assert not same(record(cell_situations(mutant.target, mutant.like)), record(cell_situations(mutant.clean, mutant.like)))


@pytest.mark.parametrize("bug", [bug for bug, mutant in MUTANTS.items() if mutant.kind == "clip" and on_one_rank(mutant)])
def test_a_clip_function_differs_from_the_clean_one(bug):
    mutant = MUTANTS[bug]
    assert not same(record(clip_situations(mutant.target)), record(clip_situations(mutant.clean)))


@pytest.mark.parametrize("bug", [bug for bug, m in MUTANTS.items() if m.kind == "step" and bug != LEAVES_AUTOCAST])
def test_a_step_differs_from_the_clean_one(bug):
    mutant = MUTANTS[bug]
    assert not same(record(step_situations(mutant.target)), record(step_situations(mutant.clean)))


@pytest.mark.parametrize("situation", LAYOUTS)
@pytest.mark.parametrize("like", [nn.RNN, nn.GRU, nn.LSTM])
def test_no_layout_ends_in_an_exception(situation, like):
    assert all(isinstance(value, Tensor) or value is None for value in layer_record(situation, like, like))


IN_BACKWARD_ALONE = ("lstm-once-differentiable", "second_derivatives")
"""It refuses where torch.autograd.grad, which the situation calls, does not look; test_gradient.py calls backward()."""
VARIANTS = [
    (name, situation)
    for name, correct in CORRECT.items()
    for situation in EXACT
    if correct.kind == "layer" and (name, situation) != IN_BACKWARD_ALONE
]


@pytest.mark.parametrize(("name", "situation"), some(VARIANTS, 9))
def test_a_correct_variant_agrees_with_torch(name, situation):
    correct = CORRECT[name]
    if "projection" in situation and "proj" in correct.without:
        with pytest.raises(ValueError, match="proj_size"):
            correct.target(2, 3, proj_size=1)
    elif situation == "second_derivatives" and "second" in correct.without:
        assert layer_record(situation, correct.target, correct.like) == [["refused"], ["refused"]]
    else:
        ours, torchs = (layer_record(situation, t, correct.like) for t in (correct.target, correct.like))
        if str(torchs[-1]).startswith(NOT_ON_THIS_PROCESSOR) and not same(ours, torchs):
            pytest.skip(torchs[-1])
        assert same(ours, torchs)


@pytest.mark.parametrize(("target", "like"), [(GRUCell, nn.GRUCell), (LSTMCell, nn.LSTMCell)])
def test_the_clean_cells_agree_with_torch(target, like):
    assert same(record(cell_situations(target, like)), record(cell_situations(like, like)))


def test_the_clean_clip_function_keeps_the_bound():
    weight = nn.Parameter(torch.zeros(2))
    for gradient, expected in (([3.0, 4.0], [0.6, 0.8]), ([0.3, 0.4], [0.3, 0.4]), ([3e30, 4e30], [0.6, 0.8])):
        weight.grad = torch.tensor(gradient)
        norm = clip_grad_norm_([weight], 1.0)
        torch.testing.assert_close(weight.grad, torch.tensor(expected))
        torch.testing.assert_close(norm, torch.tensor(gradient).double().norm().float())


def test_every_historic_bug_is_planted_or_says_why_not():
    assert set(BUGS) == {bug for bug in MUTANTS if not bug.startswith("own-")} | set(NOT_PLANTED)
    assert len(BUGS) == 105
    assert not set(MUTANTS) & set(NOT_PLANTED)


@pytest.mark.parametrize("bug", BUGS)
def test_a_historic_bug_names_its_source(bug):
    said = MUTANTS[bug].target.__doc__
    assert "#" in said or "measured in torch" in said or "torch 2.13" in said


def test_every_mutant_says_what_it_does_and_when_it_shows():
    for mutant in MUTANTS.values():
        assert mutant.target.__doc__.strip()
        assert mutant.property_hint
        assert mutant.needs


@pytest.mark.parametrize(("a", "b", "expected"), [
    (torch.ones(2), torch.ones(2), True), (torch.ones(2), torch.ones(2, 1), False), (torch.ones(2), [1.0, 1.0], False),
    (torch.tensor([float("nan")]), torch.tensor([float("nan")]), True), (torch.zeros(1), torch.tensor([1e-3]), False),
    ([torch.ones(1)], [torch.ones(1), 2], False), ("a", "b", False), (1, True, False),
])  # fmt: skip
def test_the_comparison_itself(a, b, expected):
    assert same(a, b) is expected
