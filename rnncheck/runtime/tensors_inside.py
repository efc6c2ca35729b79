"""Whatever a call is given or returns, with each tensor inside replaced: in containers, dataclasses and objects such as caches."""

import copy
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

DEEPEST = 6
"""Levels of nesting that are looked into: objects may hold each other."""


def replaced(value: Any, by: Callable[[Tensor], Any], depth: int = DEEPEST) -> Any:
    """Return a copy of the structure with each tensor replaced; modules, classes and functions stay the objects that they are.

    >>> replaced(({"h": torch.ones(2)}, "tanh"), lambda tensor: tensor.sum().item())
    ({'h': 2.0}, 'tanh')
    """
    if isinstance(value, Tensor):
        return by(value)
    if not depth:
        return value

    def inner(part: Any) -> Any:
        return replaced(part, by, depth - 1)

    if isinstance(value, Mapping):
        return {key: inner(part) for key, part in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(inner, value))
    if isinstance(value, tuple | list):
        return type(value)(map(inner, value))
    if isinstance(value, nn.Module | type | ModuleType) or callable(value) or not hasattr(value, "__dict__"):
        return value
    other = copy.copy(value)
    for name, part in vars(value).items():
        object.__setattr__(other, name, inner(part))
    return other


def copied(value: Any) -> Any:
    """Return a copy whose tensors have no graph."""
    return replaced(value, lambda tensor: tensor.detach().clone())


def widened(value: Any, g: torch.Generator | None = None, step: float = 0.0) -> Any:
    """Return a copy with floating-point tensors in float64, each element changed by up to ``step`` of itself."""

    def wide(tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point():
            return tensor.detach().clone()
        found = tensor.detach().double()
        if g is None:
            return found.clone()
        return found * (1 + step * (2 * torch.rand(found.shape, generator=g, dtype=found.dtype) - 1).to(found.device))

    return replaced(value, wide)
