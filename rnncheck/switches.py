"""Backend switches, set for a while and put back."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from rnncheck.case import Switch

Setting = tuple[Any, str, Any]
"""An object of torch.backends, an attribute of it, and its value."""
OFFERED: Mapping[str, tuple[Switch, ...]] = {
    "cpu": ("onednn_off",),
    "cuda": ("cudnn_off", "cudnn_deterministic", "cudnn_benchmark", "tf32"),
}
"""The switches that make a difference on each kind of device; one that is not listed has none."""


def offered(device: str, switches: Iterable[Switch] | None = None) -> tuple[Switch, ...]:
    """Those of the switches (all, if not said) that make a difference on this device.

    >>> offered("cuda:1", ["onednn_off", "tf32"])
    ('tf32',)
    """
    there = OFFERED.get(device.partition(":")[0], ())
    return there if switches is None else tuple(switch for switch in switches if switch in there)


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
