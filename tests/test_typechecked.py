"""The decorator: it refuses, steps aside, can be switched off, and cannot be put where it would see nothing."""

import copy
import inspect
import os
import pickle
import random
import subprocess
import sys
from typing import NamedTuple

import pytest
import torch
from jaxtyping import Float, TypeCheckError
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

import rnncheck.nn
from rnncheck.cells.types import Gate, State
from rnncheck.typechecked import checked, checking
from tests.effort import some


class Pair(NamedTuple):
    h: Float[Tensor, "batch hidden"]
    c: Float[Tensor, "batch hidden"] | None


@checked
def matvec(W: Float[Tensor, "hidden input"], x: Float[Tensor, " input"], *, cut: int = 0) -> Float[Tensor, " hidden"]:
    """W x, without the last ``cut`` elements."""
    y = W @ x
    return y[: len(y) - cut]


class Readout(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(3))

    @checked
    def forward(self, x: Float[Tensor, "batch hidden"]) -> Float[Tensor, " batch"]:
        return x @ self.weight


@checked
def pair(h: Float[Tensor, "batch hidden"], extra: int, with_c: bool = True) -> Pair:
    return Pair(h, torch.zeros(len(h) + extra, h.size(1)) if with_c else None)


def test_axes_are_bound_across_arguments_and_result():
    assert matvec(torch.ones(2, 3), torch.ones(3)).tolist() == [3.0, 3.0]
    with pytest.raises(TypeCheckError, match="parameter 'x'"):
        matvec(torch.ones(2, 3), torch.ones(4))
    with pytest.raises(TypeCheckError, match=r"matvec returned float32 \(1,\).*, but should return Float\[Tensor, 'hidden'\]"):
        matvec(torch.ones(2, 3), torch.ones(3), cut=1)


def test_fields_of_a_named_tuple_are_checked_with_the_arguments():
    assert pair(torch.ones(2, 3), 0).c.shape == (2, 3)
    assert pair(torch.ones(2, 3), 0, with_c=False).c is None
    with pytest.raises(TypeCheckError, match=r"pair returned c = float32 \(3, 3\)"):
        pair(torch.ones(2, 3), 1)


def test_a_violation_is_a_type_error_and_leaves_no_axis_bound():
    for size in (3, 4, 5):
        with pytest.raises(TypeError):
            matvec(torch.ones(2, size), torch.ones(size + 1))
        matvec(torch.ones(2, size), torch.ones(size))


def test_errors_of_the_function_come_through_as_they_are():
    @checked
    def fails(x: Float[Tensor, " input"]) -> Float[Tensor, " input"]:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fails(torch.ones(2))


def test_name_docstring_and_signature_stay():
    assert matvec.__name__ == "matvec" and matvec.__doc__ == "W x, without the last ``cut`` elements."
    assert list(inspect.signature(matvec).parameters) == ["W", "x", "cut"]
    assert inspect.signature(matvec).parameters["cut"].default == 0
    assert pickle.loads(pickle.dumps(matvec)) is matvec


def test_the_switch():
    with checking(False):
        assert matvec(torch.ones(2, 3), torch.ones(3), cut=1).shape == (1,)
        with checking(True), pytest.raises(TypeCheckError):
            matvec(torch.ones(2, 3), torch.ones(3), cut=1)
        assert matvec(torch.ones(2, 3), torch.ones(3), cut=1).shape == (1,)
    with pytest.raises(TypeCheckError):
        matvec(torch.ones(2, 3), torch.ones(3), cut=1)


def test_the_switch_as_a_function():
    before = checking(False)
    try:
        assert matvec(torch.ones(2, 3), torch.ones(3), cut=1).shape == (1,)
    finally:
        before.__exit__()


@pytest.mark.parametrize("value, refuses", some([("1", False), ("0", True)], 2))
def test_the_environment_variable(value, refuses):
    script = (
        "import torch\nfrom jaxtyping import Float, TypeCheckError\nfrom rnncheck.typechecked import checked\n"
        "def f(x: Float[torch.Tensor, 'batch hidden']): pass\n"
        "try: checked(f)(torch.ones(3)); print('accepted')\nexcept TypeCheckError: print('refused')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | {"RNNCHECK_DISABLE": value}, capture_output=True, text=True
    )
    assert done.stdout.split() == ["refused" if refuses else "accepted"], done.stderr


def test_modules_are_copied_pickled_and_called_by_functional_call():
    module, x = Readout(), torch.ones(2, 3)
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(twin(x), module(x))
        with pytest.raises(TypeCheckError):
            twin(torch.ones(3))
    assert torch.func.functional_call(module, {"weight": torch.zeros(3)}, (x,)).tolist() == [0.0, 0.0]


def test_no_false_alarm_under_transformations():
    module, x = Readout(), torch.ones(2, 3)
    expected = module(x)
    assert torch.equal(torch.compile(module, fullgraph=True, backend="eager")(x), expected)
    assert torch.equal(torch.export.export(module, (x,), strict=False).module()(x), expected)
    assert torch.equal(torch.export.export(module, (x,), strict=True).module()(x), expected)
    assert torch.equal(torch.func.vmap(module)(torch.ones(5, 2, 3)), expected.expand(5, 2))
    assert torch.func.jvp(module, (x,), (x,))[1].shape == (2,)
    with torch.device("meta"):
        assert Readout()(torch.ones(2, 3)).shape == (2,)


@pytest.mark.filterwarnings("error::torch.jit.TracerWarning", "ignore:.*torch.jit.trace:DeprecationWarning")
def test_jit_trace_records_no_comparison_of_shapes():
    module, x = Readout(), torch.ones(2, 3)
    assert torch.equal(torch.jit.trace(module, (x,))(x), module(x))


def test_vmap_sees_one_example():
    with pytest.raises(TypeCheckError):
        torch.func.vmap(Readout())(torch.ones(2, 3))


def test_it_draws_no_random_numbers():
    @checked
    def lengths(sequences: list[Float[Tensor, "time input"]]) -> list[int]:
        return [len(s) for s in sequences]

    before = random.getstate()
    assert lengths([torch.ones(n, 3) for n in range(9)]) == list(range(9))
    assert rnncheck.nn.LSTM(3, 2)(torch.ones(4, 3))[0].shape == (4, 2)
    assert random.getstate() == before
    with pytest.raises(TypeCheckError):
        lengths([torch.ones(2, 3, 4)])


def test_what_would_check_nothing_is_refused():
    def bare(x):
        return x

    with pytest.raises(TypeError, match="bare has no annotations"):
        checked(bare)


def test_annotations_that_are_strings_are_evaluated_or_refused():
    names = {"Float": Float, "Tensor": Tensor, "__name__": "late"}
    exec("def late(x: 'Float[Tensor, \"batch hidden\"]') -> 'Float[Tensor, \"batch\"]': return x.sum(0)", names)
    late = checked(names["late"])
    with pytest.raises(TypeCheckError):
        late(torch.ones(3))
    with pytest.raises(TypeCheckError, match="returned"):
        late(torch.ones(2, 3))
    exec("def lost(x: 'NoSuchName'): return x", names)
    with pytest.raises(TypeError, match="lost cannot be checked.*NoSuchName"):
        checked(names["lost"])(torch.ones(3))


def test_static_and_class_methods():
    class Holder:
        @staticmethod
        @checked
        def static(x: Float[Tensor, " hidden"]) -> Float[Tensor, " hidden"]:
            return x

        @classmethod
        @checked
        def of_class(cls, x: Float[Tensor, " hidden"]) -> Float[Tensor, " hidden"]:
            return x

    for method in (Holder.static, Holder.of_class, Holder().static):
        assert method(torch.ones(2)).shape == (2,)
        with pytest.raises(TypeCheckError):
            method(torch.ones(2, 2))


def test_it_is_on_in_the_layers():
    """A layer whose step forgets half of its units passes every check of its input; its result does not fit."""

    class Half(rnncheck.nn.RNN):
        def step(self, weights):
            step = super().step(weights)
            return lambda Wx, h: step(Wx, h)._replace(h=h[..., :1])

    layer, x = Half(3, 2), torch.ones(1, 4, 3)
    with pytest.raises(TypeCheckError, match="_stack returned"):
        layer(x)
    with checking(False):
        assert layer(x)[1].shape == (1, 4, 1)


def test_the_values_of_an_argument_that_is_no_gate_are_told():
    @checked
    def keep(f: Gate, c: State) -> State:
        return f * c

    with pytest.raises(TypeCheckError, match="The elements of 'f' go from 0 to 1.5."):
        keep(torch.tensor([[0.0, 1.5]]), torch.ones(1, 2))


def test_it_steps_aside_under_fx():
    module, x = Readout(), torch.ones(2, 3)
    assert torch.equal(torch.fx.symbolic_trace(module)(x), module(x))
    assert torch.equal(make_fx(module)(x)(x), module(x))
