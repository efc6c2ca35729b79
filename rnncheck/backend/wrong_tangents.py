"""Operators of torch whose own forward-mode derivative is wrong: no defect of a layer that uses them.

logcumsumexp: with numbers that lie 20 and more apart, those of the smaller ones come out far too small. Seen in torch 2.13.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from rnncheck.backend.operations import Operations

WRONG: Mapping[Any, str] = {torch.ops.aten.logcumsumexp.default: "torch.logcumsumexp"}


class _Called(Operations):
    """Notes the operators that are called inside."""

    def __init__(self) -> None:
        super().__init__()
        self.operators = set[Any]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.operators.add(func)
        return func(*args, **(kwargs or {}))


def with_wrong_tangents(call: Callable[[], Any]) -> list[str]:
    """Return the names of those operators of torch that a call uses, and whose forward-mode derivatives are wrong.

    >>> with_wrong_tangents(lambda: torch.zeros(3).logcumsumexp(0)), with_wrong_tangents(lambda: torch.zeros(3).cumsum(0))
    (['torch.logcumsumexp'], [])
    """
    with _Called() as called:
        call()
    return [name for operator, name in WRONG.items() if operator in called.operators]
