"""How a call fails: it refuses a number of steps, or it crashes, or what it returns is not what its types say."""

import dis
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import Any, Literal

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from rnncheck.adapters.probing.ground import attempt

Kind = Literal["refused", "crashed", "other result"]
RESHAPES = (Tensor.view, Tensor.reshape, torch.reshape, Tensor.unflatten, torch.unflatten, Tensor.split, torch.split,
            Tensor.split_with_sizes, torch.split_with_sizes)  # fmt: skip
"""Functions of torch that cut one tensor into parts of a size, and refuse what is no multiple of it."""
OURS, TORCHS = str(Path(__file__).parents[2]), str(Path(torch.__file__).parent)
RAISED = (ValueError, AssertionError, RuntimeError)
"""What is raised where a number of steps is refused; a wrong index, key or type is a mistake."""


class _Watch(TorchFunctionMode):
    """Knows the function of torch that failed last."""

    failed: Any = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        try:
            return func(*args, **(kwargs or {}))
        except BaseException:
            self.failed = func
            raise


def how_it_fails(call: Callable[[], Any]) -> tuple[Kind, BaseException] | None:
    """Return how a call fails, and what it raises; None where it does not."""
    with _Watch() as mode:
        _, error = attempt(call)
    if error is None:
        return None
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    code = None if place is None else place.tb_frame.f_code
    if place is None or code is None or code is _Watch.__torch_function__.__code__ or code.co_filename.startswith(TORCHS):
        return ("refused" if mode.failed in RESHAPES else "crashed"), error
    if code.co_filename.startswith(OURS):
        return "other result", error
    return ("refused" if _raises(code, place.tb_lasti) and isinstance(error, RAISED) else "crashed"), error


def _raises(code: CodeType, at: int) -> bool:
    """Whether Python code itself raises there, in a statement, and not what it calls."""
    return any(one.offset == at and one.opname == "RAISE_VARARGS" for one in dis.get_instructions(code))
