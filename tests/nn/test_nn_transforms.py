"""The layers under torch.compile, torch.export, torch.func, autocast, copies, and every way to change a weight."""

import copy
import pickle

import pytest
import torch

import rnncheck.nn
from tests.effort import some
from tests.nn.twins import BATCH, HIDDEN, INPUT, KINDS, assert_alike, flat, loss, seeded, twins

ALL = (*KINDS, "gru-before")


@pytest.fixture(params=ALL)
def ours(request):
    """A small layer of each kind in float32, and an input for it."""
    if request.param == "gru-before":
        layer = seeded(0, lambda: rnncheck.nn.GRU(INPUT, HIDDEN, reset_after=False, bidirectional=True))
    else:
        layer = twins(request.param, bidirectional=True, dtype=torch.float32)[1]
    return layer, torch.randn(3, BATCH, INPUT, generator=torch.Generator().manual_seed(0))


def test_differentiable_twice_and_forward_mode(ours):
    layer, x = ours
    layer, x = layer.double(), x[:2, :2].double().requires_grad_()

    def run(x):
        return tuple(flat(layer(x)))

    assert torch.autograd.gradcheck(run, (x,), check_forward_ad=True, check_batched_grad=True, fast_mode=True)
    assert torch.autograd.gradgradcheck(run, (x,), fast_mode=True)


@pytest.mark.skipif(torch.__version__ < "2.11", reason="torch 2.6 and 2.7 break the graph at properties of a named tuple")
@pytest.mark.parametrize("ours", some(ALL), indirect=True)
def test_compiled_without_a_graph_break(ours):
    layer, x = ours
    torch._dynamo.reset()
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager", dynamic=True)
    for batch in (BATCH, 2, 7):
        assert_alike(flat(compiled(x[:, [0] * batch])), flat(layer(x[:, [0] * batch])), atol=1e-6)
    expected = torch.autograd.grad(loss(layer(x)), layer.parameters())
    assert_alike(torch.autograd.grad(loss(compiled(x)), layer.parameters()), expected, atol=1e-3)


@pytest.mark.parametrize("ours", some(ALL), indirect=True)
def test_exported_with_a_free_batch_axis(ours):
    layer, x = ours
    program = torch.export.export(layer, (x,), strict=False, dynamic_shapes=({1: torch.export.Dim("batch")},))
    wide = torch.cat([x, x], dim=1)
    assert_alike(flat(program.module()(wide)), flat(layer(wide)), atol=1e-6)


def test_functional_call_and_vmap(ours):
    layer, x = ours
    expected = layer(x)
    mapped = torch.func.vmap(layer, in_dims=1, out_dims=1)(x)  # unbatched, mapped over the batch
    assert_alike(flat(mapped), flat(expected), atol=1e-6)
    zeroed = {name: torch.zeros_like(p) for name, p in layer.named_parameters()}
    assert torch.func.functional_call(layer, zeroed, (x,))[0].count_nonzero() == 0
    stacked = {name: torch.stack([p, torch.zeros_like(p)]) for name, p in layer.named_parameters()}
    each = torch.func.vmap(lambda ps: torch.func.functional_call(layer, ps, (x,)))(stacked)
    assert_alike([t[0] for t in flat(each)], flat(expected), atol=1e-6)

    def per_example(parameters, one):
        return loss(torch.func.functional_call(layer, parameters, (one,)))

    gradients = torch.func.vmap(torch.func.grad(per_example), in_dims=(None, 1))(dict(layer.named_parameters()), x)
    for row in range(BATCH):
        alone = torch.autograd.grad(loss(layer(x[:, row])), layer.parameters())
        assert_alike([g[row] for g in gradients.values()], alone, atol=1e-3)


def test_copies_and_every_way_to_change_a_weight(ours):
    layer, x = ours
    before = layer(x)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert_alike(flat(twin(x)), flat(before), atol=0)
    weight = layer.weight_hh_l0.detach().clone()
    layer.weight_hh_l0.data = 2 * weight
    assert not torch.equal(layer(x)[0], before[0])
    layer.weight_hh_l0.data.copy_(weight)
    assert_alike(flat(layer(x)), flat(before), atol=0)
    torch.nn.utils.parametrizations.weight_norm(layer, "weight_ih_l0")
    with torch.no_grad():
        layer.parametrizations.weight_ih_l0.original0.mul_(3)
    assert not torch.equal(layer(x)[0], before[0])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_runs_and_returns_its_dtype(ours, dtype):
    layer, x = ours
    layer.zero_grad()
    with torch.autocast("cpu", dtype):
        result = layer(x)
    assert {t.dtype for t in flat(result)} == {dtype}
    assert_alike([t.float() for t in flat(result)], flat(layer(x)), atol=32 * torch.finfo(dtype).eps)
    loss(result).backward()
    assert {p.grad.dtype for p in layer.parameters()} == {torch.float32}


def test_autocast_leaves_float64_as_it_is(ours):
    layer, x = ours
    layer, x = layer.double(), x.detach().double()
    with torch.autocast("cpu", torch.bfloat16):
        result = layer(x)
    assert all(torch.equal(a, b) for a, b in zip(flat(result), flat(layer(x)), strict=True))


def test_an_empty_batch_goes_forward_and_backward(ours):
    layer, _ = ours
    x = torch.ones(3, 0, INPUT, requires_grad=True)
    result = layer(x)
    assert [t.size(1) for t in flat(result)] == [0] * len(flat(result))
    loss(result).backward()
    assert x.grad.shape == x.shape and all(p.grad.count_nonzero() == 0 for p in layer.parameters())
