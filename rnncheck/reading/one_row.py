"""Whether a layer that cannot be read takes one sequence, and no more: then that is why."""

import traceback
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from rnncheck.reading.calls.experiment import Sizes, Start, Unreadable, apart_from_sizes, call, rows_tried, steps_tried, told
from rnncheck.reading.calls.forms import forms
from rnncheck.reading.calls.results import leaves
from rnncheck.reading.calls.starts import starts
from rnncheck.reading.calls.time_limit import is_over
from rnncheck.reading.said import Said

ONE_ROW = "it takes one sequence, and no batch of several"
"""How the reason begins."""


def or_one_row(otherwise: Unreadable, cell_first: bool, said: Said) -> Unreadable:
    """Return why a target cannot be read: that its module takes one sequence alone, where it does, or what is known otherwise."""
    if otherwise.met_by is None:
        return otherwise
    module, sizes = otherwise.met_by
    with apart_from_sizes(module, sizes):
        return _one_row(module, sizes, cell_first, said) or otherwise


def _one_row(module: Any, sizes: Sizes, cell_first: bool, said: Said) -> Unreadable | None:
    for how in forms(module, cell_first, said, sizes.input):
        if is_over():
            break
        if how.get("input", "sequence") != "sequence" or how.get("ids") or how.get("nodes") or how.get("images"):
            continue
        if any(start.names for start in starts(module, how, sizes)):  # a state to begin with has as many rows as there are
            continue
        error = _error_of(module, how, sizes, rows_tried())
        line = None if error is None else _own_line(module, error)
        if error is not None and line is not None and _takes_one(module, how, sizes):
            return Unreadable(f"{ONE_ROW}: with {rows_tried()} of them, {line}, raises {told(error)}")
    return None


def _called(module: Any, how: Mapping[str, Any], sizes: Sizes, rows: int, time: int) -> Any:
    shape = (rows, time) if how["batch_first"] else (time, rows)
    x = torch.randn(*shape, sizes.input, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return call(module, how, Start(), x, sizes)


def _error_of(module: Any, how: Mapping[str, Any], sizes: Sizes, rows: int) -> Exception | None:
    try:
        _called(module, how, sizes, rows, steps_tried())
    except Exception as error:
        return error
    return None


def _takes_one(module: Any, how: Mapping[str, Any], sizes: Sizes) -> bool:
    """Whether one sequence gives an output for each step, however many there are."""
    front = (1, None) if how["batch_first"] else (None, 1)

    def has_steps(time: int) -> bool:
        wanted = tuple(time if size is None else size for size in front)
        found = (t for _, t in leaves(_called(module, how, sizes, 1, time)))
        return any(isinstance(t, Tensor) and t.dim() == 3 and tuple(t.shape[:2]) == wanted for t in found)

    try:
        return has_steps(steps_tried()) and has_steps(steps_tried() + 1)
    except Exception:  # it takes no one sequence either
        return False


def _own_line(module: Any, error: Exception) -> str | None:
    """The last line of the file with the module's call that an exception went through; None where it went through none."""
    code = getattr(getattr(type(module), "forward", None), "__code__", None)
    found = [
        frame for frame in traceback.extract_tb(error.__traceback__) if code is not None and frame.filename == code.co_filename
    ]
    return f"line {found[-1].lineno}, `{found[-1].line}`" if found else None
