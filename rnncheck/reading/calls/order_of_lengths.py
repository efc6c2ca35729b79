"""Whether a layer takes the lengths of its sequences in one order alone."""

from collections.abc import Mapping
from typing import Any

import torch

from rnncheck.reading.adapter.adapted import AdaptedWithLengths
from rnncheck.reading.calls.experiment import BATCH, TIME, Sizes, Start, quiet

LENGTHS = (TIME, TIME - 2, TIME - 3)
"""Of BATCH sequences, the longest first."""


def is_longest_first(module: Any, how: Mapping[str, Any], start: Start, sizes: Sizes) -> bool:
    """Return whether it refuses lengths that it takes in descending order."""
    return _is_called(module, how, start, sizes, LENGTHS) and not _is_called(module, how, start, sizes, LENGTHS[::-1])


def _is_called(module: Any, how: Mapping[str, Any], start: Start, sizes: Sizes, lengths: tuple[int, ...]) -> bool:
    called = AdaptedWithLengths(module, sizes.hidden, **{**how, "others": dict(zip(start.names, start.values, strict=True))})
    shape = (BATCH, TIME) if how["batch_first"] else (TIME, BATCH)
    try:
        with quiet():
            called(torch.ones(*shape, sizes.input, dtype=torch.float64), None, torch.tensor(lengths))
    except Exception:  # it refuses them
        return False
    return True
