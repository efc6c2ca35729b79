"""Types that cannot be understood get one clear line that says what to write."""

from typing import Annotated, Dict, Iterable, List, Mapping, Sequence, Tuple  # noqa: UP035

import pytest
from jaxtyping import Float
from torch import Tensor, nn

import rnncheck
from rnncheck.adapters.targets.resolve import subjects
from rnncheck.faces.cli import command_line
from rnncheck.reading.typed import is_typed
from tests.typed.wrongly_typed import WRONG, X, no_time, of_many_steps


@pytest.mark.parametrize("function", WRONG, ids=lambda function: function.__name__)
def test_wrong_types_are_said(function):
    with pytest.raises(rnncheck.UsageError) as error:
        subjects(function)
    assert all(words in str(error.value) for words in WRONG[function]), str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: rnncheck.Values(low=1.0, high=0.0), "low should be below high"),
        (lambda: rnncheck.Values(), "has no bound; write Values"),
        (lambda: rnncheck.Options(), "has no values; write those to try"),
        (lambda: rnncheck.Mask(padding="top"), "Mask(padding='left')"),
        (lambda: rnncheck.Reset("before"), "should be Reset(), which forgets before the step, or Reset(after=True)"),
    ],
)
def test_a_marker_that_says_nothing_is_said(made, words):
    with pytest.raises(rnncheck.UsageError) as told:
        made()
    assert words in str(told.value) and "\n" not in str(told.value)


class Listing(nn.Module):
    def forward(self, x: X, h0: list[X]) -> tuple[X, list[X]]: ...


def test_wrong_types_of_a_module_are_said():
    with pytest.raises(rnncheck.UsageError, match="list of any length"):
        subjects(Listing)


PLAIN = (Dict, List, Tuple, Iterable, Mapping, Sequence, dict, list, tuple)  # noqa: UP006


@pytest.mark.parametrize("kind", PLAIN, ids=str)
def test_a_container_that_does_not_say_what_is_in_it_speaks_of_no_axes(kind):
    def forward(self, x, state=None): ...

    forward.__annotations__ = {"state": kind, "return": kind}
    assert not is_typed(type("Layer", (nn.Module,), {"forward": forward}))


def test_the_axis_of_time_may_be_named():
    (subject,) = subjects(no_time, time="frames")
    assert subject.read_as.startswith("x: sequences")
    with pytest.raises(rnncheck.UsageError, match="should be one of batch, frames, units"):
        subjects(no_time, time="steps")


def plain(x, y, chunk=4): ...


def stub(x: X, z: X) -> X: ...
def short_stub(x: X) -> X: ...
def good_stub(x: X, y: X) -> X: ...


def test_a_stub_has_the_names_of_its_function():
    with pytest.raises(rnncheck.UsageError, match="stub has z, but its parameters are chunk, x, y"):
        subjects(plain, typed=stub)
    with pytest.raises(rnncheck.UsageError, match="stub lacks y"):
        subjects(plain, typed=short_stub)
    for no_function in (3, int):
        with pytest.raises(rnncheck.UsageError, match="the stub is .*should be a function with the target's parameters"):
            subjects(plain, typed=no_function)
    (subject,) = subjects(plain, typed=good_stub)
    assert subject.named.input_size == 4


def refusing(x: X, size: Annotated[int, rnncheck.Options(1, 2)] = 1) -> X:
    if size == 2:
        raise NotImplementedError("only 1")
    return x.cumsum(1)


def other_axes(x: X) -> X:
    return x.transpose(1, 2)


def of_tensors(q: Tensor, v: Tensor, state: Tensor | None = None, attention_mask: Tensor | None = None, scale=None): ...
def with_decay(x, decay, lengths=None, h0=None): ...
def one_step(state, x): ...


class OfTensors(nn.Module):
    def forward(self, query, key, value, cache=None): ...


UNTYPED = {
    of_tensors: ('def of_tensors(q: Float[Tensor, "batch time key"], v: Float[Tensor, "batch time value"]', "Bool[", "scale=None)"),
    with_decay: ('decay: Float[Tensor, "batch time units"]', 'Int[Tensor, "batch"]', 'Float[Tensor, "batch units"] | None'),
    one_step: ("looks like one step", "rnncheck.scan(one_step)"),
    OfTensors: ("module whose forward is without types", "def forward(self, query: Float"),
}


@pytest.mark.parametrize("target", UNTYPED, ids=lambda target: target.__name__)
def test_what_has_no_types_is_shown_with_types(target):
    with pytest.raises(rnncheck.UsageError) as told:
        subjects(target)
    assert all(words in str(told.value) for words in UNTYPED[target]) and "\n" not in str(told.value), str(told.value)


@pytest.mark.parametrize("target", [of_tensors, with_decay, OfTensors])
def test_what_is_shown_is_understood(target):
    with pytest.raises(rnncheck.UsageError) as told:
        subjects(target)
    space = {"Tensor": Tensor}
    exec("from jaxtyping" + str(told.value).partition("from jaxtyping")[2].replace("; def", "\ndef"), space)
    made = space.get("forward") or space[target.__name__]
    assert subjects(target if target is not OfTensors else OfTensors(), typed=made)[0].named is not None


def test_what_the_function_refuses_is_said():
    with pytest.raises(rnncheck.UsageError, match="size = 2.*only 1"):
        rnncheck.verify(refusing, properties="shape.output", max_examples=3, engine="inline")
    with pytest.raises(rnncheck.UsageError, match=r"should be \(batch time units\)"):
        rnncheck.verify(other_axes, properties="shape.output", max_examples=3, engine="inline")


def other_reference(x: Float[Tensor, "batch time other"]) -> Float[Tensor, "batch time other"]:
    return x.cumsum(1)


def test_a_reference_has_the_same_tensors():
    with pytest.raises(rnncheck.UsageError, match=r"sequences are x \(batch time units\) and x \(batch time other\)"):
        subjects(refusing, other_reference)


def test_the_command_line_says_it_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["rnncheck", "verify", "tests/typed/wrongly_typed.py:untyped"])
    assert command_line() == 2
    err = capsys.readouterr().err
    assert err.startswith("rnncheck: tests/typed/wrongly_typed.py:untyped: is a function without types")


def with_more(x: X, cache: object = None, done: Float[Tensor, "batch time"] | None = None) -> X: ...


def test_what_is_never_given_is_said():
    assert "cache: never given" in subjects(with_more)[0].read_as


@pytest.mark.parametrize("kind", ["bool", "bool | None"])
@pytest.mark.parametrize("name", ["output_final_state", "return_next_prev_hidden", "use_cache"])
def test_the_state_is_asked_for(name, kind):
    space = {"X": X, "H": Float[Tensor, "batch units"]}
    exec(f"def layer(x: X, h0: H, {name}: {kind} = False) -> tuple[X, H]: ...", space)
    assert subjects(space["layer"])[0].choices == {name: (True,)}


def test_flags_of_real_numbers_are_flags():
    assert "done: the state is forgotten before such a step" in subjects(with_more)[0].read_as


class Summing(nn.Module):
    """Has no body of its own where a stub needs none."""

    def forward(self, x: X, h0: X | None = None) -> X: ...


class Sums(nn.Module):
    def forward(self, x: X, h0: X | None = None) -> X:
        return x.cumsum(1)


def test_a_module_is_a_stub_and_the_reference_where_it_has_a_body():
    assert subjects(sums, typed=Summing)[0].reference is None
    assert subjects(sums, typed=Sums)[0].reference is not None


def sums(x, h0=None):
    return x.cumsum(1)


def test_an_assertion_without_words_is_told_by_its_line():
    with pytest.raises(rnncheck.UsageError, match=r"AssertionError: assert x\.shape\[1\] > 8"):
        rnncheck.verify(of_many_steps, engine="inline", max_examples=1)
