"""Fresh memory full of NaN: what reads it before it is written cannot hide behind zeros that happened to lie there."""

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

FRESH = frozenset({"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"})
"""Operations that return memory as it is."""


class FreshMemory(TorchDispatchMode):
    """Inside, what torch.empty and its like return is full of NaN (whole numbers: of -1) until it is written.

    >>> with FreshMemory():
    ...     torch.empty(2), torch.zeros(2)
    (tensor([nan, nan]), tensor([0., 0.]))
    """

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        return filled(result) if func.overloadpacket.__name__ in FRESH and isinstance(result, Tensor) else result


def filled(memory: Tensor) -> Tensor:
    """Fill it with what no result should have: NaN, or -1."""
    if memory.is_floating_point() or memory.is_complex():
        return memory.fill_(torch.nan)
    return memory if memory.dtype in (torch.bool, torch.uint8) else memory.fill_(-1)
