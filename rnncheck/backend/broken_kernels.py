"""Kernels of torch's that make NaN or inf of finite numbers in low precision: no defect of the caller's."""

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from rnncheck.backend.operations import Operations

LOW = (torch.bfloat16, torch.float16)
UNSET = frozenset({"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "resize"})
"""Operations whose result holds whatever lay in memory."""


class FiniteKernels(Operations):
    """Notes inside the first operation that makes NaN or inf of finite operands, though its result in float32 is in range."""

    def __init__(self) -> None:
        super().__init__()
        self.broken: str | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The operation as it is."""
        named = kwargs or {}
        result = func(*args, **named)
        if self.broken is None and any(_is_low(part) and not _finite(part) for part in tree_leaves(result)):
            given = tree_leaves([args, named])
            writes = any(one.alias_info is not None for one in func._schema.returns)
            if (
                not writes
                and func.overloadpacket.__name__ not in UNSET
                and all(map(_finite, given))
                and _in_range(func(*_wide(args), **_wide(named)), result)
            ):
                self.broken = f"torch's {func.overloadpacket.__name__} makes no finite numbers of finite ones"
        return result


def _is_low(value: object) -> bool:
    return isinstance(value, Tensor) and value.dtype in LOW


def _finite(value: object) -> bool:
    return not isinstance(value, Tensor) or bool(value.isfinite().all())


def _wide(arguments: Any) -> Any:
    """The arguments in float32."""
    return tree_map(
        lambda value: value.float() if _is_low(value) else torch.float32 if value is LOW[0] or value is LOW[1] else value, arguments
    )


def _in_range(exact: Any, result: Any) -> bool:
    """Whether the dtypes of the result have all these numbers."""
    pairs = zip(tree_leaves(exact), tree_leaves(result), strict=True)
    return all(bool((one.abs() <= torch.finfo(other.dtype).max).all()) for one, other in pairs if _is_low(other))
