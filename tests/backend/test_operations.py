"""Modes that see each operation do not import torch's compiler, which takes seconds in each process."""

from rnncheck.backend.broken_kernels import FiniteKernels
from rnncheck.backend.operations import Operations
from rnncheck.catalog.tools.fresh_memory import FreshMemory
from rnncheck.running.random_rounding import RandomRounding


def test_torch_does_not_wrap_them():
    """It wraps what its compiler is to leave alone, and the first call of that imports the compiler."""
    assert {FiniteKernels, FreshMemory, RandomRounding} <= {*Operations.__subclasses__()}
    assert not [mode for mode in Operations.__subclasses__() if hasattr(mode.__torch_dispatch__, "__wrapped__")]
