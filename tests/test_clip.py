"""clip_grad_norm_ against its formula, computed by other means, and against torch's where torch's is right."""

import math

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from rnncheck.clip import clip_grad_norm_

NORM_TYPES = [1.0, 2.0, 3.0, 10.0, math.inf]
SHAPES = [(3, 4), (5,), (), (2, 1, 3)]


def parameters_with(*grads: Tensor) -> list[torch.nn.Parameter]:
    """One parameter for each gradient, which it holds a copy of."""
    made = [torch.nn.Parameter(torch.zeros_like(grad)) for grad in grads]
    for parameter, grad in zip(made, grads, strict=True):
        parameter.grad = grad.clone()
    return made


def random_grads(seed: int = 0, dtype: torch.dtype = torch.float32, scale: float = 1.0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [(scale * torch.randn(s, generator=generator, dtype=torch.float64)).to(dtype) for s in SHAPES]


def as_vector(parameters) -> np.ndarray:
    """All gradients in the widest floats that numpy has: 80 bits on x86, else 64."""
    return np.concatenate([p.grad.double().numpy().ravel().astype(np.longdouble) for p in parameters])


def norm_of(parameters, p: float) -> np.longdouble:
    vector = np.abs(as_vector(parameters))
    largest = vector.max(initial=0)
    return largest if p == math.inf or largest == 0 else largest * np.sum((vector / largest) ** p) ** (1 / p)


@pytest.mark.parametrize("foreach", [None, True, False])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("p", NORM_TYPES)
def test_the_formula(p, dtype, foreach):
    parameters = parameters_with(*random_grads(dtype=dtype))
    before, norm = as_vector(parameters), norm_of(parameters, p)
    returned = clip_grad_norm_(parameters, 0.7, p, foreach=foreach)
    roundoff = torch.finfo(dtype).eps
    assert returned.shape == () and returned.dtype == torch.promote_types(dtype, torch.float32)
    assert returned.item() == pytest.approx(float(norm), rel=2 * torch.finfo(returned.dtype).eps)
    expected = (0.7 / norm * before).astype(float)
    np.testing.assert_allclose(as_vector(parameters).astype(float), expected, rtol=roundoff, atol=1e-7)
    own = roundoff if dtype == torch.float64 else 0.0  # of norm_of, where numpy has no wider floats
    assert norm_of(parameters, p) <= np.longdouble(0.7) * (1 + np.longdouble(roundoff) + own)


@pytest.mark.parametrize("p", NORM_TYPES)
def test_it_is_torchs_where_torch_keeps_the_rules(p):
    ours, theirs = parameters_with(*random_grads()), parameters_with(*random_grads())
    torch.testing.assert_close(clip_grad_norm_(ours, 0.5, p), torch.nn.utils.clip_grad_norm_(theirs, 0.5, p))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=5e-6, atol=0)  # torch adds 1e-6 to the norm


@pytest.mark.parametrize("max_norm", ["the norm", "above", math.inf])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_within_the_bound_nothing_is_written(dtype, max_norm):
    parameters = parameters_with(*random_grads(dtype=dtype, scale=1e-3))
    bound = {"the norm": clip_grad_norm_(parameters, math.inf).item(), "above": 1.0}.get(max_norm, max_norm)
    before = [(p.grad.clone(), p.grad._version) for p in parameters]
    clip_grad_norm_(parameters, bound)
    for parameter, (grad, version) in zip(parameters, before, strict=True):
        assert torch.equal(parameter.grad, grad)
        assert parameter.grad._version == version or max_norm == "the norm"  # a float32 norm may be rounded down


@pytest.mark.parametrize("p", NORM_TYPES)
def test_foreach_is_the_loop_and_clipping_again_changes_nothing(p):
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        grads = random_grads(dtype=dtype, scale=100.0)
        one, other = parameters_with(*grads), parameters_with(*grads)
        assert torch.equal(clip_grad_norm_(one, 1.0, p, foreach=True), clip_grad_norm_(other, 1.0, p, foreach=False))
        assert all(torch.equal(a.grad, b.grad) for a, b in zip(one, other, strict=True))
        clip_grad_norm_(one, 1.0, p)
        for a, b in zip(one, other, strict=True):
            torch.testing.assert_close(a.grad, b.grad, rtol=2 * torch.finfo(dtype).eps, atol=0)


@settings(max_examples=150, deadline=None)
@given(
    grads=st.lists(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=6), max_size=4),
    max_norm=st.floats(1e-30, 1e30),
    p=st.sampled_from(NORM_TYPES),
)
@example(grads=[[1.0, 307505120.0]], max_norm=175363319.0, p=2.0)  # whose limit must not be rounded to float32
def test_any_finite_gradients(grads, max_norm, p):
    tensors = [torch.tensor(g, dtype=torch.float32) for g in grads]
    parameters, merged = parameters_with(*tensors), parameters_with(torch.cat([torch.empty(0), *tensors]))
    before, norm = as_vector(merged), norm_of(merged, p)
    clip_grad_norm_(parameters, max_norm, p)
    clip_grad_norm_(merged, max_norm, p)
    after = as_vector(merged)
    assert not grads or (after == as_vector(parameters)).all()  # one vector, however it is split
    tiniest = np.longdouble(2.0**-149) * max(1, len(after))  # what rounding to subnormals may add
    assert norm_of(merged, p) <= np.longdouble(max_norm) * (1 + 2.0**-23) + tiniest
    expected = before * min(np.longdouble(max_norm) / norm, 1) if norm > 0 else before
    np.testing.assert_allclose(after, expected, rtol=2e-7, atol=float(tiniest))


HUGE_AND_TINY = [  # no clipped gradient is subnormal, where roundoff is no longer relative
    (3e38, torch.float32, 1e37), (3e38, torch.float32, 1e-30), (1e-30, torch.float32, 1e-36),
    (1.7e308, torch.float64, 1e308), (1.7e308, torch.float64, 1e-300), (1e-200, torch.float64, 1e-305),
    (6e4, torch.float16, 1e4), (6e4, torch.float16, 1.0), (1e38, torch.bfloat16, 1e-30), (1e-30, torch.bfloat16, 1e-36),
]  # fmt: skip


@pytest.mark.parametrize("foreach", [True, False])
@pytest.mark.parametrize("value, dtype, max_norm", HUGE_AND_TINY)
def test_huge_and_tiny_gradients_are_clipped_right(value, dtype, max_norm, foreach):
    parameters = parameters_with(torch.full((16,), value, dtype=dtype))
    clip_grad_norm_(parameters, max_norm, foreach=foreach)
    relative_norm = np.linalg.norm(as_vector(parameters) / np.longdouble(max_norm))
    assert relative_norm == pytest.approx(1.0, rel=torch.finfo(dtype).eps)


def test_a_million_half_precision_gradients():
    """The norm is beyond float16, and so is its inverse; summed in float16 it would be inf and everything zero."""
    parameters = parameters_with(torch.full((1_000_000,), 6e4, dtype=torch.float16))
    assert clip_grad_norm_(parameters, 1.0, foreach=True).item() == pytest.approx(6e7, rel=1e-3)
    assert parameters[0].grad.double().norm().item() == pytest.approx(1.0, rel=1e-3)


def test_grouping_does_not_matter_in_low_precision():
    values = torch.rand(4096, generator=torch.Generator().manual_seed(0)).bfloat16()
    norms = {clip_grad_norm_(parameters_with(*values.split(n)), math.inf).item() for n in (1, 7, 64, 4096)}
    assert max(norms) - min(norms) <= 2 * torch.finfo(torch.float32).eps * max(norms)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
@pytest.mark.parametrize("p", NORM_TYPES)
def test_gradients_that_are_zero_stay_zero(p, dtype):
    parameters = parameters_with(torch.zeros(3, dtype=dtype), torch.zeros(2, dtype=dtype))
    for max_norm in (0.0, 1.0):
        assert clip_grad_norm_(parameters, max_norm, p, error_if_nonfinite=True) == 0.0
    assert all((q.grad == 0).all() for q in parameters)


# ---- inf and NaN


@pytest.mark.parametrize("p", NORM_TYPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_norm_of_an_infinite_gradient_is_infinite(dtype, p):
    assert clip_grad_norm_(parameters_with(torch.tensor([1.0, -math.inf], dtype=dtype)), 1.0, p) == math.inf


@pytest.mark.parametrize("p", NORM_TYPES)
@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_nonfinite_gradients(bad, p):
    def fresh():
        return parameters_with(torch.tensor([4.0]), torch.tensor([1.0, bad, 3.0]), torch.tensor([5.0]))

    parameters = fresh()
    assert not clip_grad_norm_(parameters, 1.0, p).isfinite()
    assert all(q.grad.isnan().all() for q in parameters)  # no finite number that could pass for a clipped gradient
    for arguments in ({"max_norm": float("inf")}, {"max_norm": 1.0, "error_if_nonfinite": True}):
        parameters = fresh()
        if "error_if_nonfinite" in arguments:
            with pytest.raises(RuntimeError, match=rf"gradient 1 of 3, of shape \(3,\), holds {abs(bad)}"):
                clip_grad_norm_(parameters, norm_type=p, **arguments)
        else:
            assert not clip_grad_norm_(parameters, norm_type=p, **arguments).isfinite()
        for left, original in zip(parameters, fresh(), strict=True):
            assert torch.equal(left.grad.nan_to_num(7.0), original.grad.nan_to_num(7.0))


def test_finite_gradients_whose_norm_overflows_are_no_error():
    parameters = parameters_with(torch.full((9,), 3e38))
    assert clip_grad_norm_(parameters, 3.0, error_if_nonfinite=True) == math.inf  # 9e38 in float32
    torch.testing.assert_close(parameters[0].grad, torch.ones(9))


# ---- what is given


def test_one_tensor_lists_generators_and_what_has_no_gradient():
    (single,) = parameters_with(torch.tensor([3.0, 4.0]))
    assert clip_grad_norm_(single, 1.0) == 5.0 and single.grad.tolist() == pytest.approx([0.6, 0.8])
    bare, empty = torch.nn.Parameter(torch.zeros(2)), parameters_with(torch.zeros(0, 3))[0]
    for p in NORM_TYPES:
        single.grad = torch.tensor([3.0, 4.0])
        expected = torch.linalg.vector_norm(single.grad, p)
        torch.testing.assert_close(clip_grad_norm_((q for q in (bare, empty, single)), 1.0, p), expected)
        for nothing in ([], [bare], [empty], [bare, empty]):
            assert clip_grad_norm_(nothing, 1.0, p) == 0.0
    assert bare.grad is None and single.grad.abs().max() <= 1


def test_a_parameter_that_is_listed_twice_counts_once():
    parameters = parameters_with(*random_grads())
    norm = float(norm_of(parameters, 2))
    assert clip_grad_norm_(parameters * 3, 0.5).item() == pytest.approx(norm, rel=1e-6)
    assert norm_of(parameters, 2) == pytest.approx(0.5, rel=1e-6)


def test_a_gradient_that_two_parameters_share_is_scaled_once():
    one, other = parameters_with(torch.tensor([3.0]), torch.tensor([0.0]))
    other.grad = one.grad
    assert clip_grad_norm_([one, other], 3.0).item() == pytest.approx(math.sqrt(18))
    assert one.grad.item() == pytest.approx(3 / math.sqrt(2))


def test_mixed_dtypes_and_complex():
    grads = [torch.tensor([3.0]), torch.tensor([4.0], dtype=torch.float64), torch.tensor([12.0], dtype=torch.bfloat16)]
    parameters = parameters_with(*grads)
    returned = clip_grad_norm_(parameters, 1.3)
    assert returned == 13.0 and returned.dtype == torch.float64
    assert [p.grad.item() for p in parameters] == pytest.approx([0.3, 0.4, 1.2], rel=4e-3)
    parameters = parameters_with(torch.tensor([3.0 + 4.0j, 12.0j]))
    assert clip_grad_norm_(parameters, 1.3) == 13.0
    torch.testing.assert_close(parameters[0].grad, torch.tensor([0.3 + 0.4j, 1.2j]))


def test_strided_gradients_and_max_norm_zero():
    (parameter,) = parameters_with(torch.zeros(4, 3))
    parameter.grad = torch.ones(3, 8).t()[::2]
    assert clip_grad_norm_(parameter, 0.0).item() == pytest.approx(math.sqrt(12))
    assert parameter.grad.count_nonzero() == 0


def test_used_up_iterators_are_refused():
    parameters = parameters_with(torch.ones(2))
    generator = (p for p in parameters)
    list(generator)
    with pytest.raises(ValueError, match="generator that is used up"):
        clip_grad_norm_(generator, 1.0)
    for iterator in (iter(parameters), map(torch.nn.Parameter, parameters), filter(None, [])):
        list(iterator)
        with pytest.raises(ValueError, match="yields nothing, empty or used up"):
            clip_grad_norm_(iterator, 1.0)
    with pytest.warns(UserWarning, match="generator that yields nothing") as warned:
        clip_grad_norm_((p for p in parameters if p.dim() > 5), 1.0)
    assert warned[0].filename == __file__


@pytest.mark.parametrize("max_norm", [-1.0, -1e-300, math.nan, -math.inf])
def test_a_bound_that_is_none_is_refused(max_norm):
    parameters = parameters_with(torch.ones(2))
    with pytest.raises(ValueError, match="max_norm = .*, but should be at least 0"):
        clip_grad_norm_(parameters, max_norm)
    assert parameters[0].grad.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("norm_type", [0, -1, 0.5, math.nan, -math.inf])
def test_a_norm_that_is_none_is_refused(norm_type):
    with pytest.raises(ValueError, match="norm_type = .*, but should be at least 1"):
        clip_grad_norm_(parameters_with(torch.ones(2)), 1.0, norm_type)


@pytest.mark.parametrize("wrong", [torch.nn.Linear(1, 1), 3, {"weight": torch.ones(2)}, [[torch.ones(2)]], [None]])
def test_what_is_no_tensor_is_refused(wrong):
    with pytest.raises(TypeError, match="but should be a Tensor"):
        clip_grad_norm_(wrong, 1.0)


def test_sparse_gradients_are_refused_and_nothing_is_scaled():
    embedding = torch.nn.Embedding(3, 2, sparse=True)
    embedding(torch.tensor([1])).sum().backward()
    (dense,) = parameters_with(torch.tensor([3.0, 4.0]))
    with pytest.raises(TypeError, match="sparse_coo, but should be strided"):
        clip_grad_norm_([dense, embedding.weight], 1.0)
    assert dense.grad.tolist() == [3.0, 4.0]


def test_foreach_is_refused_where_there_is_none():
    parameter = torch.nn.Parameter(torch.zeros(2, device="meta"))
    parameter.grad = torch.zeros(2, device="meta")
    with pytest.raises(RuntimeError, match="foreach=True, but tensors on meta"):
        clip_grad_norm_(parameter, 1.0, foreach=True)


def test_it_runs_beside_a_compiled_graph():
    def step(p):
        (p * torch.tensor([3.0, 4.0])).sum().backward()
        return clip_grad_norm_([p], 1.0)

    parameter = torch.nn.Parameter(torch.zeros(2))
    assert torch.compile(step, backend="eager")(parameter) == 5.0
    assert parameter.grad.tolist() == pytest.approx([0.6, 0.8])
