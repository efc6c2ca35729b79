"""Contracts on code that runs: each can be broken, and says where; none is in the way of code that keeps it."""

import copy
import functools
import pickle
import re
from dataclasses import dataclass
from typing import NamedTuple

import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.utils.rnn import pack_padded_sequence

import rnncheck
from rnncheck import typechecked
from rnncheck.runtime.contracts import ContractWarning, violations


@rnncheck.unit_interval
def gates(a):
    return {"r": a.sigmoid(), "z": (2 * a).sigmoid()}


@rnncheck.bounded(-1, 1)
def no_candidate(a):
    return (2 * a.tanh(),)


@rnncheck.norm_at_most("max_norm")
def clip(parameters, max_norm):
    return nn.utils.clip_grad_norm_(parameters, max_norm)


@rnncheck.norm_at_most("max_norm", of="parameters")
def clip_each(max_norm, parameters):
    for p in parameters:
        nn.utils.clip_grad_norm_(p, max_norm)


def with_gradients(*values):
    found = [nn.Parameter(torch.zeros(len(v))) for v in values]
    for p, v in zip(found, values, strict=True):
        p.grad = torch.tensor(v)
    return found


def test_gates_that_are_gates_pass():
    assert set(gates(torch.randn(3, 4))) == {"r", "z"}


def test_the_worst_value_and_its_index_are_named():
    with pytest.raises(rnncheck.ContractViolation, match=r"no_candidate: result\[0\]\[1\] = 2, but should lie in \[-1, 1\]"):
        no_candidate(torch.tensor([0.0, 9.0, 0.5]))


def test_nan_is_not_in_the_unit_interval():
    with pytest.raises(rnncheck.ContractViolation, match=r"\['r'\]\[0\] = nan"):
        gates(torch.tensor([float("nan")]))


def test_empty_and_scalar_results():
    assert gates(torch.zeros(0))["r"].numel() == 0
    assert rnncheck.unit_interval(lambda: torch.tensor(0.5))() == 0.5
    with pytest.raises(rnncheck.ContractViolation, match="result = 1.5"):
        rnncheck.unit_interval(lambda: torch.tensor(1.5))()


def test_a_clip_function_that_clips_passes_also_on_a_generator():
    parameters = with_gradients([3.0, 4.0], [12.0])
    clip((p for p in parameters), 1.0)
    assert torch.cat([p.grad for p in parameters]).norm() <= 1.0 + 1e-5


def test_per_tensor_clipping_breaks_the_bound():
    with pytest.raises(rnncheck.ContractViolation, match=r"clip_each: the gradients' total norm = 1.414.* at most 1"):
        clip_each(1.0, with_gradients([3.0, 4.0], [12.0]))


def test_an_argument_that_is_not_there():
    with pytest.raises(TypeError, match="no argument 'theta'"):
        rnncheck.norm_at_most("theta")(clip_each)


def test_policies():
    def wrong():
        return torch.tensor([2.0])

    with pytest.warns(ContractWarning, match=r"result\[0\] = 2"):
        rnncheck.bounded(0, 1, policy="warn")(wrong)()
    before = violations[wrong.__qualname__]
    assert rnncheck.bounded(0, 1, policy="count")(wrong)() == 2
    assert violations[wrong.__qualname__] == before + 1
    with pytest.raises(ValueError, match="policy = 'shout', but should be one of raise, warn, log, count"):
        rnncheck.bounded(0, 1, policy="shout")


def test_one_switch_turns_them_off():
    with typechecked.checking(False):
        assert no_candidate(torch.tensor([9.0]))[0] > 1


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3, 2)

    @rnncheck.unit_interval
    @rnncheck.checked
    def forward(self, x: Float[Tensor, "batch hidden"]) -> Float[Tensor, "batch gates"]:
        return self.head(x).sigmoid()


def test_they_step_aside_where_a_call_is_recorded_and_survive_copies():
    module, x = Gated(), torch.randn(4, 3)
    expected = module(x)
    for other in (
        torch.compile(module, fullgraph=True, backend="eager"),
        torch.export.export(module, (x,), strict=True).module(),
        torch.export.export(module, (x,), strict=False).module(),
        torch.fx.symbolic_trace(module),
        make_fx(module)(x),
        nn.DataParallel(module),
        copy.deepcopy(module),
        pickle.loads(pickle.dumps(module)),
        torch.func.vmap(lambda row: module(row[None])[0]),
    ):
        assert torch.equal(other(x), expected) or torch.allclose(other(x), expected)


def test_vmap_and_grad_are_seen_through():
    with pytest.raises(rnncheck.ContractViolation, match=r"result\[0\]\[1\] = 2"):
        torch.func.vmap(no_candidate)(torch.tensor([0.0, 9.0]))
    with pytest.raises(rnncheck.ContractViolation):
        torch.func.grad(lambda a: no_candidate(a)[0].sum())(torch.tensor([9.0]))


class Pair(NamedTuple):
    r: Tensor
    h: Tensor | None = None


@dataclass
class Held:
    gate: Tensor


@pytest.mark.parametrize(
    "result, where",
    [
        (Pair(torch.tensor([2.0])), "result.r[0] = 2"),
        ({"a": [torch.zeros(1), (torch.tensor(2.0),)]}, "result['a'][1][0] = 2"),
        (Held(torch.tensor([[0.0, 2.0]])), "result.gate[0, 1] = 2"),
        (pack_padded_sequence(torch.full((3, 2, 1), 2.0), torch.tensor([3, 2])), "result.data[0, 0] = 2"),
        (torch.eye(2).mul(3).to_sparse(), "result[0, 0] = 3"),
        (torch.tensor([0, 2]), "result[1] = 2"),
        (2.0, "result = 2"),
        (torch.tensor([1.5], dtype=torch.float16), "result[0] = 1.5"),
        (torch.tensor([1j]), "result is complex64"),
        (None, "returned NoneType, but should return a tensor"),
        ({}, "returned dict, but should return a tensor"),
    ],
)
def test_whatever_is_returned_is_looked_into(result, where):
    with pytest.raises(rnncheck.ContractViolation, match=re.escape(where)):
        rnncheck.unit_interval(lambda: result)()


@pytest.mark.parametrize(
    "result",
    [Pair(torch.ones(1)), (torch.ones(1), 7), pack_padded_sequence(torch.ones(3, 2, 1), torch.tensor([3, 2])),
     torch.tensor([True]), torch.zeros(2, device="meta"), torch.zeros(0, 3)],
)  # fmt: skip
def test_what_is_right_or_cannot_be_seen_is_left_in_peace(result):
    assert rnncheck.bounded(0.0, 1.0)(lambda: result)() is result


def test_nothing_can_be_seen_of_an_empty_result_even_where_zero_is_out_of_bounds():
    assert rnncheck.bounded(0.5, 1.0)(lambda: torch.zeros(0))().numel() == 0


def test_over_and_under_staticmethod_classmethod_and_property():
    class Holder:
        over = rnncheck.unit_interval(staticmethod(lambda: torch.tensor(2.0)))
        under = staticmethod(rnncheck.unit_interval(lambda: torch.tensor(2.0)))
        of_class = rnncheck.unit_interval(classmethod(lambda cls: torch.tensor(2.0)))
        wrong = rnncheck.unit_interval(property(lambda self: torch.tensor(2.0)))

    for call in (Holder.over, Holder.under, Holder.of_class, lambda: Holder().wrong):
        with pytest.raises(rnncheck.ContractViolation, match="= 2, but should lie in"):
            call()


async def later():
    return torch.tensor(2.0)


def one_by_one():
    yield torch.tensor(2.0)


@pytest.mark.parametrize(
    "decorate", [rnncheck.unit_interval, rnncheck.checked, rnncheck.agrees_with(torch.relu)], ids=["bounded", "checked", "agrees"]
)
@pytest.mark.parametrize("target, says", [(later, "coroutine or generator"), (one_by_one, "coroutine or generator"),
                                          (dict, "is a class"), (3, "is not a function")])  # fmt: skip
def test_what_they_could_see_nothing_of_is_refused(decorate, target, says):
    with pytest.raises(TypeError, match=says):
        decorate(target)


def test_partial_goes_by_its_functions_name():
    with pytest.raises(rnncheck.ContractViolation, match="clamp: result = 3"):
        rnncheck.unit_interval(functools.partial(torch.clamp, torch.tensor(3.0)))(min=0.0)


def test_bounds_that_nothing_can_keep():
    with pytest.raises(ValueError, match="low should be at most high"):
        rnncheck.bounded(1, 0)


@rnncheck.norm_at_most("max_norm", policy="raise")
def unclipped(parameters, max_norm):
    return None


class Trainer:
    @rnncheck.norm_at_most("max_norm")
    def clip(self, parameters, max_norm=1.0):
        return None


@pytest.mark.parametrize(
    "call",
    [
        lambda p: unclipped(parameters=p, max_norm=1.0),
        lambda p: unclipped(dict(enumerate(p)), torch.tensor(1.0)),
        lambda p: unclipped(torch.optim.SGD(p), 1.0),
        lambda p: unclipped(p[0], 1.0),
        lambda p: Trainer().clip(p),
    ],
)
def test_the_parameters_are_found_wherever_they_are(call):
    with pytest.raises(rnncheck.ContractViolation, match="total norm = 5 after the call, but should be at most 1"):
        call(with_gradients([3.0, 4.0]))


def test_norms_of_sparse_and_undefined_gradients():
    table = nn.Embedding(4, 3, sparse=True)
    (9 * table(torch.tensor([1, 1]))).sum().backward()
    with pytest.raises(rnncheck.ContractViolation, match="total norm = 31.1769"):
        unclipped([table.weight], 1.0)
    with pytest.raises(rnncheck.ContractViolation, match="total norm = nan"):
        unclipped(with_gradients([float("nan")]), 1.0)
    with pytest.raises(TypeError, match="parameters holds str, but should hold tensors"):
        unclipped(["a"], 1.0)


@pytest.mark.parametrize("norm_type, expected", [(0.0, 3), (1.0, 19), (2.0, 13), (float("inf"), 12)])
def test_every_norm(norm_type, expected):
    with pytest.raises(rnncheck.ContractViolation, match=f"total norm = {expected} "):
        rnncheck.norm_at_most("max_norm", norm_type=norm_type)(unclipped.__wrapped__)(with_gradients([3.0, 4.0], [12.0]), 0.5)
