"""Whether a layer takes the lengths of its sequences in one order alone."""

from collections.abc import Mapping
from typing import Any

import torch

from rnncheck.reading.adapter.adapted import AdaptedWithLengths
from rnncheck.reading.calls.experiment import Sizes, Start, quiet, rows_tried, steps_tried


def lengths_tried() -> tuple[int, ...]:
    """Return the lengths of an experiment's sequences, the longest first."""
    steps = steps_tried()
    return (steps, *[steps - 2] * (rows_tried() - 2), steps - 3)


def is_longest_first(module: Any, how: Mapping[str, Any], start: Start, sizes: Sizes) -> bool:
    """Return whether it refuses lengths that it takes in descending order."""
    longest_first = lengths_tried()
    return _is_called(module, how, start, sizes, longest_first) and not _is_called(module, how, start, sizes, longest_first[::-1])


def _is_called(module: Any, how: Mapping[str, Any], start: Start, sizes: Sizes, lengths: tuple[int, ...]) -> bool:
    called = AdaptedWithLengths(module, sizes.hidden, **{**how, "others": dict(zip(start.names, start.values, strict=True))})
    shape = (rows_tried(), steps_tried()) if how["batch_first"] else (steps_tried(), rows_tried())
    try:
        with quiet():
            called(torch.ones(*shape, sizes.input, dtype=torch.float64), None, torch.tensor(lengths))
    except Exception:  # it refuses them
        return False
    return True
