"""New memory that a call is handed: filled with NaN, since right results that nobody needs any more may lie there."""

import ctypes
import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch

BLOCKS = 64
"""How many pieces of free memory of one size are overwritten, at most."""
MOST_NUMBERS = 2**22
"""How many numbers all of these hold together, at most."""
M_PERTURB = -6
"""glibc's setting (malloc.h) of the byte whose complement fills what it hands out; 0 is for no filling."""
ALL_ONES = 0x100
"""Its low byte is 0, of which the complement is 0xff; such bytes are NaN in each dtype of floating point."""


@contextmanager
def nan_in_new_memory(counts: Iterable[int], device: str) -> Iterator[None]:
    """While this is open, memory that the C library hands out holds NaN; memory of a device's own allocator is overwritten before.

    counts: how many numbers the results have that may lie in free memory
    """
    if not (device == "cpu" and _fills(ALL_ONES)):
        _overwrite(counts, device)
    try:
        yield
    finally:
        _fills(0)


def _fills(setting: int) -> bool:
    """Whether the C library takes this setting: glibc does."""
    return platform.libc_ver()[0] == "glibc" and bool(ctypes.CDLL(None).mallopt(M_PERTURB, setting))


def _overwrite(counts: Iterable[int], device: str) -> None:
    """Overwrite free memory of these sizes with NaN, in double precision."""
    for count in counts:
        blocks = min(BLOCKS, MOST_NUMBERS // max(count, 1))
        _ = [torch.full((count,), torch.nan, dtype=torch.float64, device=device) for _ in range(blocks)]
