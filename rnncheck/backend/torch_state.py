"""torch's global state: put back as it was, whatever a subject did to it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import attrgetter
from typing import Any

import torch

from rnncheck.older_torch import FP32_PRECISION, default_device


def _attribute(owner: Any, name: str) -> tuple[Callable[[], Any], Callable[[Any], None]]:
    return lambda: getattr(owner, name), lambda value: setattr(owner, name, value)


def _set_deterministic(mode: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(mode[0], warn_only=mode[1])


def _set_device(device: torch.device) -> None:
    torch.set_default_device(None if device == torch.device("cpu") else device)


def _matmul_precision() -> str | None:
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:  # torch does not say it where its newer flags, which are listed too, were used
        return None


def _set_matmul_precision(precision: str | None) -> None:
    if precision is not None:
        torch.set_float32_matmul_precision(precision)


_TINY = [1e-310]


def _flushes_denormals() -> bool:
    return _TINY[0] * 0.5 == 0.0  # there is no getter; the flag is the processor's, so Python's floats show it too


_PRECISIONS = ("mkldnn", "mkldnn.matmul", "mkldnn.rnn", "mkldnn.conv", "cudnn", "cudnn.rnn", "cudnn.conv", "cuda.matmul")
_BACKENDS = (
    ("mkldnn", ("enabled", "deterministic")),
    ("cudnn", ("enabled", "benchmark", "deterministic")),
    *((where, ("fp32_precision",)) for where in ("", *_PRECISIONS) if FP32_PRECISION),
    *((where, ("allow_tf32",)) for where in ("cudnn", "cuda.matmul") if not FP32_PRECISION),
)


def _backend(where: str) -> Any:
    return attrgetter(where)(torch.backends) if where else torch.backends


def _autocasts() -> int:
    """Contexts of autocast that are open: as long as there is one, torch keeps the weights that it has cast."""
    torch.autocast_increment_nesting()
    return torch.autocast_decrement_nesting()


def _set_autocasts(count: int) -> None:
    for _ in range(_autocasts() - count):
        torch.autocast_decrement_nesting()
    for _ in range(count - _autocasts()):
        torch.autocast_increment_nesting()
    if count == 0:
        torch.clear_autocast_cache()


FLAGS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "default device": (default_device, _set_device),
    "default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "grad mode": (torch.is_grad_enabled, torch.set_grad_enabled),
    "anomaly mode": (torch.is_anomaly_enabled, torch.set_anomaly_enabled),
    "deterministic algorithms": (
        lambda: (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()),
        _set_deterministic,
    ),
    "threads": (torch.get_num_threads, torch.set_num_threads),
    "flush denormals": (_flushes_denormals, torch.set_flush_denormal),
    "autocast, cpu": (lambda: torch.is_autocast_enabled("cpu"), lambda on: torch.set_autocast_enabled("cpu", on)),
    "autocast, cuda": (lambda: torch.is_autocast_enabled("cuda"), lambda on: torch.set_autocast_enabled("cuda", on)),
    "open contexts of autocast": (_autocasts, _set_autocasts),
    "float32 matmul precision": (_matmul_precision, _set_matmul_precision),
    **{f"{where or 'backends'} {name}": _attribute(_backend(where), name) for where, names in _BACKENDS for name in names},
}
"""How each global flag is read and written; the wider ones first, since some of them set the narrower ones too."""


def flags() -> dict[str, Any]:
    """Every flag's value now."""
    return {name: read() for name, (read, _) in FLAGS.items()}


@contextmanager
def default_device_kept() -> Iterator[None]:
    """Afterwards tensors are made where they were made before: a case says its device itself."""
    before = default_device()
    try:
        yield
    finally:
        if default_device() != before:
            _set_device(before)


@contextmanager
def preserved(known: dict[str, Any] | None = None) -> Iterator[None]:
    """Afterwards every flag, and the global random state of the CPU, is as it was before.

    ``known``: the flags, where they were read just before (reading them costs as much as a small property).
    """
    before, random = flags() if known is None else known, torch.default_generator.get_state()
    try:
        yield
    finally:
        for name, (read, write) in FLAGS.items():
            if read() != before[name]:
                write(before[name])
        torch.default_generator.set_state(random)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, as workers do: how many share a sum decides how it is rounded."""
    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
