"""Whether an output of twice the state's features is of one recurrence, or of two directions beside each other."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from rnncheck.reading.calls.experiment import Sizes, Start, runner


def is_one_recurrence(module: Any, how: Mapping[str, Any], start: Start, x: Tensor, sizes: Sizes) -> bool:
    """Return whether each parameter that moves one half of the output's features moves the other: a direction has its own."""
    if not isinstance(module, nn.Module):
        return False
    module = copy.deepcopy(module)
    before, _ = runner(module, how, start, sizes)(x)
    found = {_moved(module, p, how, start, x, sizes, before) for p in module.parameters() if p.is_floating_point()}
    return found - {(False, False)} == {(True, True)}


def _moved(module: nn.Module, p: Tensor, how: Mapping[str, Any], start: Start, x: Tensor, sizes: Sizes,
           before: Tensor) -> tuple[bool, ...]:  # fmt: skip
    """Which half of the features another value of this parameter moves."""
    value = p.detach().clone()
    with torch.no_grad():
        p.mul_(0.5).add_(0.3)
        after, _ = runner(module, how, start, sizes)(x)
        p.copy_(value)
    return tuple(not torch.equal(*pair) for pair in zip(after.chunk(2, -1), before.chunk(2, -1), strict=True))
