"""What a model draws while it runs: a float64 run draws the numbers that a run in a lower precision draws."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from rnncheck.backend.operations import Operations

FRESH = frozenset({"rand", "randn"})
LIKE = frozenset({"rand_like", "randn_like", "bernoulli"})
IN_PLACE = frozenset({"normal_", "uniform_", "bernoulli_", "exponential_", "cauchy_", "log_normal_", "geometric_", "random_"})


class DrawnAs(Operations):
    """Inside, random float64 numbers are drawn in ``dtype`` and widened: torch draws others for other dtypes.

    >>> with DrawnAs(torch.float32):
    ...     drawn = torch.randn(20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    >>> torch.equal(drawn, torch.randn(20, generator=torch.Generator().manual_seed(0)).double())
    True
    """

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The operation as it is, unless it draws float64 numbers."""
        name, kwargs = func.overloadpacket.__name__, dict(kwargs or {})
        if name in FRESH and (kwargs.get("dtype") or torch.get_default_dtype()) == torch.float64:
            return func(*args, **{**kwargs, "dtype": self.dtype}).double()
        if name in LIKE and _is_double(args[0]):
            given = {key: value for key, value in kwargs.items() if key != "dtype"}
            return func(args[0].to(self.dtype), *args[1:], **given).double()
        if name in IN_PLACE and _is_double(args[0]):
            return args[0].copy_(func(args[0].to(self.dtype), *args[1:], **kwargs))
        return func(*args, **kwargs)


def _is_double(value: object) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.float64


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Inside, tensors that are made without a dtype are of this one."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
