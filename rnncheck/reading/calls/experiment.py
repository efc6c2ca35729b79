"""What experiments on a layer are made with: sizes that all differ, calls without gradients, and a first state."""

import copy
import math
import os
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from rnncheck.reading.adapter.adapted import Adapted
from rnncheck.system.copies import end_a_copy

INPUT, HIDDEN, CUT = 4, 7, 2
"""Sizes with which a class is built, which differ from steps and rows; and where a sequence is cut in two."""
STEPS_AND_ROWS = ((5, 3), (5, 9), (8, 3), (8, 9), (13, 11), (19, 17))
"""Steps and rows of the experiments, those that need fewest calls first."""

_CHOSEN: ContextVar[tuple[int, int]] = ContextVar("steps and rows", default=STEPS_AND_ROWS[0])


class Unreadable(Exception):
    """No reading fits; the message says what the most promising one met.

    built:  whether the constructor took what it was given
    met_by: the module that no call reads, and its sizes
    """

    built = False
    met_by: "tuple[Any, Sizes] | None" = None


@dataclass(frozen=True)
class Sizes:
    """Of one configuration: what the input and the hidden size are, and how many layers and directions there are."""

    input: int
    hidden: int
    layers: int = 1
    directions: int = 1


def steps_tried() -> int:
    """Return the number of steps of an experiment."""
    return _CHOSEN.get()[0]


def rows_tried() -> int:
    """Return the number of sequences of an experiment."""
    return _CHOSEN.get()[1]


@contextmanager
def apart_from_sizes(module: Any, sizes: Sizes) -> Iterator[None]:
    """Inside, steps and rows of experiments are no sizes of this module, so that it is known which axis is which."""
    own = (*module.parameters(), *module.buffers()) if isinstance(module, nn.Module) else ()
    taken = {sizes.input, sizes.hidden, *(size for tensor in own for size in tensor.shape)}
    token = _CHOSEN.set(next((pair for pair in STEPS_AND_ROWS if not taken & {*pair}), STEPS_AND_ROWS[0]))
    try:
        yield
    finally:
        _CHOSEN.reset(token)


def example(input_size: int, seed: int) -> Tensor:
    """Return an input (time, batch, input_size) of random numbers."""
    random = torch.Generator().manual_seed(seed)
    return torch.randn(steps_tried(), rows_tried(), input_size, dtype=torch.float64, generator=random)


@dataclass(frozen=True)
class Start:
    """What is given for the state in the first call: nothing, or values of this structure."""

    values: tuple[Any, ...] = ()
    names: tuple[str, ...] = ()


def told(error: BaseException) -> str:
    """Return the kind of an exception and its message, or the line of code that raised it where there is none."""
    if isinstance(error, Unreadable):
        return str(error)
    line = "" if str(error) else traceback.extract_tb(error.__traceback__)[-1].line
    return f"{type(error).__name__}: {error}{line}"


def got_as_far_as(module: Any, error: BaseException) -> float:
    """Return the line of the module's call that an exception comes from: the furthest one says most; above all, one behind it."""
    code = getattr(getattr(type(module), "forward", None), "__code__", None)
    behind = math.inf if isinstance(error, Unreadable) else 0
    return next((line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code is code), behind)


class quiet:
    """Inside, no gradients, no warnings, random numbers from one seed, and float64 where a layer names no dtype.

    What TorchScript compiled runs as written, without its optimizer.
    """

    def __init__(self, seed: int = 0, grad: bool = False) -> None:
        self.seed, self.with_grad = seed, grad

    def __enter__(self) -> None:
        self.process = os.getpid()
        self.before, self.warn, self.state = torch.is_grad_enabled(), warnings.catch_warnings(), torch.default_generator.get_state()
        self.dtype = torch.get_default_dtype()
        torch.set_grad_enabled(self.with_grad)
        torch.set_default_dtype(torch.float64)
        self.warn.__enter__()
        self.as_written = torch.jit.optimized_execution(False)
        self.as_written.__enter__()
        warnings.simplefilter("ignore")
        torch.default_generator.manual_seed(self.seed)

    def __exit__(self, *exception: object) -> None:
        end_a_copy(self.process)
        self.as_written.__exit__(None, None, None)
        torch.default_generator.set_state(self.state)
        self.warn.__exit__(*exception)  # type: ignore[arg-type]
        torch.set_default_dtype(self.dtype)
        torch.set_grad_enabled(self.before)


def made(build: Callable[..., Any], *sizes: Any, **named: Any) -> Any:
    """What a constructor makes; with float32 for numbers of no dtype, where it mixes them with float32 of its own."""
    try:
        return build(*sizes, **named)
    except RuntimeError:
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float32)
        try:
            return build(*sizes, **named)
        finally:
            torch.set_default_dtype(before)


def call(module: Any, how: Mapping[str, Any], start: Start, given: Tensor, sizes: Sizes) -> Any:
    bare = Adapted(_own(module, how), sizes.hidden, **{**how, "given": [], "states": None, "output": []})
    bare.how["others"] = dict(zip(start.names, start.values, strict=True))
    with quiet():
        bare.begin(given)
        return bare.result(given, None, None)


def _own(module: Any, how: Mapping[str, Any]) -> Any:
    """The module, or a copy where calls leave something in it."""
    return copy.deepcopy(module) if how.get("kept") or how.get("reset") else module


def runner(module: Any, how: Mapping[str, Any], start: Start, sizes: Sizes) -> Callable[..., tuple[Tensor, Any]]:
    """The module as a function from (time, batch, input) and a state to (time, batch, features) and the final state.

    The module gets a copy of the input, so that it may write into it.
    """
    called = Adapted(_own(module, how), sizes.hidden, **how)
    first = dict(zip(start.names, start.values, strict=True))
    whole = how.get("input") == "step" or not how["batch_first"]

    def run(x: Tensor, state: Any = None, seed: int = 0) -> tuple[Tensor, Any]:
        fresh = copy.deepcopy(called) if how.get("reset") else called  # its reset may forget only a part of the state
        fresh.how["others"] = first if state is None else {}
        with quiet(seed):
            output, final = fresh((x if whole else x.transpose(0, 1)).clone(), state)
        return (output if whole else output.transpose(0, 1)), final

    return run
