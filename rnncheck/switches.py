"""Backend switches, set for a while and put back."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

Setting = tuple[Any, str, Any]
"""An object of torch.backends, an attribute of it, and its value."""


def _settings(switches: set[str]) -> list[Setting]:
    backends: Any = torch.backends
    precision = "tf32" if "tf32" in switches else "ieee"
    return [
        (backends.mkldnn, "enabled", "onednn_off" not in switches),
        (backends.cudnn, "enabled", "cudnn_off" not in switches),
        (backends.cudnn, "benchmark", "cudnn_benchmark" in switches),
        (backends.cudnn, "deterministic", "cudnn_deterministic" in switches),
        (backends.cudnn.rnn, "fp32_precision", precision),
        (backends.cuda.matmul, "fp32_precision", precision),
    ]


@contextmanager
def switched(switches: Iterable[str] = ()) -> Iterator[None]:
    """Inside, these of rnncheck.case.Switch are set and the others are not; afterwards everything is as it was.

    onednn_off, cudnn_off: the backend is not used; cudnn_deterministic, cudnn_benchmark: cuDNN's own flags;
    tf32: float32 products on a CUDA device may use TF32.
    """
    settings = _settings(set(switches))
    before = [getattr(owner, name) for owner, name, _ in settings]
    try:
        for owner, name, value in settings:
            setattr(owner, name, value)
        yield
    finally:
        for (owner, name, _), value in zip(settings, before, strict=True):
            setattr(owner, name, value)
