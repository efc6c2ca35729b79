"""New memory that a candidate is handed: nothing that was computed before lies there."""

import platform

import pytest
import torch

from rnncheck.running import new_memory
from rnncheck.running.new_memory import nan_in_new_memory

SIZES = (1, 12, 100, 5000)


def holes() -> list[torch.Tensor]:
    """Tensors full of sevens between which others full of sevens were freed, a thousand of each size."""
    made = [torch.full((size,), 7.0, dtype=torch.float64) for _ in range(2000) for size in SIZES]
    return made[::2] + made[1::4]


def new_numbers() -> torch.Tensor:
    return torch.cat([torch.empty(size, dtype=torch.float64) for _ in range(2000) for size in SIZES])


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone fills new memory")
def test_new_memory_holds_no_number_that_was_computed_before():
    kept = holes()
    with nan_in_new_memory(SIZES, "cpu"):
        found = [new_numbers() for _ in range(3)]
    assert kept and not any((part == 7).any() for part in found)


def test_memory_is_filled_while_it_is_open_only():
    _ = holes()
    with nan_in_new_memory((), "cpu"):
        pass
    assert not new_numbers().isnan().all()


def test_where_the_c_library_does_not_fill_memory_free_memory_is_overwritten(monkeypatch):
    monkeypatch.setattr(new_memory, "_fills", lambda setting: False)
    overwritten = []
    monkeypatch.setattr(torch, "full", lambda shape, value, **options: overwritten.append(shape))
    with nan_in_new_memory((3,), "cpu"):
        assert overwritten == [(3,)] * new_memory.BLOCKS
