"""Random rounding of whatever a subject computes: every result of every operation is moved by a few roundoffs.

The idea of stochastic arithmetic (Vignes, "A stochastic arithmetic for reliable scientific computation", 1993): how far results
scatter is what rounding does to them, by whatever algorithm they are computed, forward and backward.

An exponential of a matrix is several operations: one of a matrix that is scaled down, and its squares (Higham, "The scaling and
squaring method for the matrix exponential revisited", 2005). Its gradients are taken through one of a matrix that holds them.
"""

import math
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _get_current_dispatch_mode
from torch.utils._pytree import tree_map

from rnncheck.backend.operations import Operations
from rnncheck.core.pairs import as_type_of, in_pairs

EXACT = frozenset({
    "alias", "arange", "cat", "ceil", "clone", "copy", "copy_", "detach", "empty", "empty_like", "expand", "eye", "fill", "fill_",
    "flip", "floor", "full", "full_like", "gather", "index", "index_select", "masked_fill", "masked_fill_", "neg", "new_empty",
    "new_full", "new_ones", "new_zeros", "ones", "ones_like", "relu", "round", "round_", "select_backward", "sgn", "sign",
    "slice_backward", "stack", "tril", "tril_", "triu", "triu_", "trunc", "where", "zero_", "zeros", "zeros_like",
})  # fmt: skip
"""Operations that only move numbers, make them, or make whole numbers of them; a few more of that kind do no harm."""
COUNTS = 256.0
"""Up to here every dtype has all whole numbers."""


class RandomRounding(Operations):
    """Multiply finite results other than 0 by 1 + e inside, e uniform within ``roundoffs`` units of roundoff of their dtype.

    Whole numbers up to COUNTS that are made of such numbers alone, as a count of steps is, are exact and stay.

    only: the dtype whose results are moved; None for all of them
    fewest: a dtype: results of fewer digits than it has stay as they are; None for none

    >>> third, exact = torch.full((3,), 1 / 3), torch.full((3,), 1 / 3) * 2
    >>> with RandomRounding(torch.Generator().manual_seed(0), 4.0):
    ...     moved, count = third * 2, torch.ones(3) + 2
    >>> bool((moved != exact).any()), bool(((moved - exact).abs() <= 4 * 2**-24).all()), count
    (True, True, tensor([3., 3., 3.]))
    """

    def __init__(self, generator: torch.Generator, roundoffs: float, only: torch.dtype | None = None,
                 fewest: torch.dtype | None = None) -> None:  # fmt: skip
        super().__init__()
        self.generator, self.roundoffs, self.only = generator, roundoffs, only
        self.coarsest = 1.0 if fewest is None else _roundoff(fewest)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The operation, its new results moved; those that are views of something share its numbers as they are."""
        if func is torch.ops.aten.linalg_matrix_exp.default and args[0].numel() and self._rounds(args[0]):
            return self._exponential(args[0])
        result = func(*args, **(kwargs or {}))
        written = _written(func)
        if written is None or (_whole(result) and all(map(_whole, [*args, *(kwargs or {}).values()]))):
            return result
        if isinstance(result, Tensor):
            return self._moved(result, written) if self._rounds(result) else result
        return tree_map(lambda value: self._moved(value, written) if self._rounds(value) else value, result)

    def _exponential(self, matrices: Tensor) -> Tensor:
        """exp(A) = exp(A / 2^s)^(2^s), each square moved: rounding grows with 2^s, as large as A is."""
        norm = float(matrices.abs().sum(-2).max())
        squares = max(0, math.frexp(norm)[1]) if math.isfinite(norm) else 0
        power = self._moved(torch.linalg.matrix_exp(matrices / 2.0**squares), written=False)
        for _ in range(squares):
            power = self._moved(power @ power, written=False)
        return power

    def _moved(self, value: Tensor, written: bool) -> Tensor:
        pairs = in_pairs(value)
        step, unit = self.roundoffs * _roundoff(pairs.dtype), _smallest_normal(pairs.dtype)
        relative = torch.empty(pairs.shape, dtype=torch.float64, device="cpu").uniform_(-step, step, generator=self.generator)
        exact = pairs.double()
        size = exact.abs()
        stays = (size == 0) | (size == torch.inf)  # an infinity has no roundoff, as in masks
        errors = relative.to(value.device).mul_(size.clamp_(min=unit))  # subnormal numbers have a unit of their own
        moved = as_type_of(value, torch.where(stays, exact, errors.add_(exact)).to(pairs.dtype))
        return value.copy_(moved) if written else moved

    def _rounds(self, value: object) -> bool:
        if not _is_floating(value) or self.only not in (None, value.dtype):  # type: ignore[attr-defined]
            return False
        return _roundoff(value.dtype) <= self.coarsest  # type: ignore[attr-defined]


def _whole(value: object) -> bool:
    """Whether a value, or each part of it, holds counts alone, or no real numbers."""
    if isinstance(value, tuple | list):
        return all(map(_whole, value))
    if isinstance(value, float):
        return value.is_integer() and abs(value) <= COUNTS
    if not _is_floating(value) or not value.numel():  # type: ignore[attr-defined]
        return True
    numbers = in_pairs(value)  # type: ignore[arg-type]
    if not _whole(numbers.min().item()):  # it is seldom that this does not tell
        return False
    return bool(((numbers == numbers.round()) & (numbers.abs() <= COUNTS)).all())


@cache
def _roundoff(dtype: torch.dtype) -> float:
    return torch.finfo(dtype).eps / 2


@cache
def _smallest_normal(dtype: torch.dtype) -> float:
    return torch.finfo(dtype).smallest_normal


def rounds_at_random() -> bool:
    """Return whether what is computed here and now measures rounding, and is no result of its own."""
    return isinstance(_get_current_dispatch_mode(), RandomRounding)


@cache
def _written(func: Any) -> bool | None:
    """Whether an operation writes its results into what it is given; None where they are not rounded at all."""
    aliases = [returned.alias_info for returned in func._schema.returns]
    if func.overloadpacket.__name__ in EXACT or any(alias is not None and not alias.is_write for alias in aliases):
        return None
    return any(alias is not None for alias in aliases)


def _is_floating(value: object) -> bool:
    return isinstance(value, Tensor) and (value.is_floating_point() or value.is_complex()) and value.device.type != "meta"
