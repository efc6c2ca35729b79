"""Fresh memory full of one number: what reads it before it is written cannot hide behind what happens to lie there."""

import torch
from torch import Tensor

from rnncheck.backend.operations import Operations

FRESH = frozenset({"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"})
"""Operations that return memory as it is."""


class FreshMemory(Operations):
    """Inside, what torch.empty and its like return is full of one number until it is written.

    >>> with FreshMemory():
    ...     torch.empty(2), torch.zeros(2)
    (tensor([nan, nan]), tensor([0., 0.]))
    >>> with FreshMemory(0.0):
    ...     torch.empty(2)
    tensor([0., 0.])
    """

    def __init__(self, value: float = float("nan")) -> None:
        super().__init__()
        self.value = value

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        return filled(result, self.value) if func.overloadpacket.__name__ in FRESH and isinstance(result, Tensor) else result


def filled(memory: Tensor, value: float) -> Tensor:
    """Fill it with this number; whole numbers, which have no NaN, with -1 for it."""
    if memory.is_floating_point() or memory.is_complex():
        return memory.fill_(value)
    whole = int(value) if value == value else -1
    return memory if memory.dtype in (torch.bool, torch.uint8) else memory.fill_(whole)
