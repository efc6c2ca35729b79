"""Backend switches, set for a while and put back."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from operator import attrgetter
from typing import Any

import torch

from rnncheck.core.case import Switch
from rnncheck.older_torch import FP32_PRECISION

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


def settings(switches: Iterable[Switch] = (), device: str = "cpu") -> dict[str, Any]:
    """What torch.backends is to be on this device with these switches and no others, by name, in this order.

    onednn_off, cudnn_off: the backend is not used; cudnn_deterministic, cudnn_benchmark: cuDNN's own flags;
    tf32: float32 products may use TF32 (torch's own default for cuDNN; here it has to be asked for).
    """
    chosen, kind = set(switches), device.partition(":")[0]
    if kind == "cpu":
        return {"mkldnn.enabled": "onednn_off" not in chosen}
    if kind != "cuda":
        return {}
    tf32, precision = "tf32" in chosen, "tf32" if "tf32" in chosen else "ieee"
    wanted = {
        "cudnn.enabled": "cudnn_off" not in chosen,
        "cudnn.benchmark": "cudnn_benchmark" in chosen,
        "cudnn.deterministic": "cudnn_deterministic" in chosen,
        "cudnn.allow_tf32": tf32,  # the older flags first: where they and the newer ones differ, torch.export refuses to run
        "cuda.matmul.allow_tf32": tf32,
    }
    newer = ("cudnn.rnn.fp32_precision", "cudnn.conv.fp32_precision", "cuda.matmul.fp32_precision")
    return wanted | dict.fromkeys(newer if FP32_PRECISION else (), precision)


def as_python(switches: Iterable[Switch], device: str) -> list[str]:
    """The lines of a script that set what is not as torch has it by itself.

    >>> as_python(["onednn_off"], "cpu")
    ['torch.backends.mkldnn.enabled = False']
    """
    wanted, usual = settings(switches, device), {"mkldnn.enabled": True, "cudnn.enabled": True}
    return [f"torch.backends.{name} = {value!r}" for name, value in wanted.items() if usual.get(name) != value]


@contextmanager
def switched(switches: Iterable[Switch] = (), device: str = "cpu") -> Iterator[None]:
    """Inside, these switches are set and the device's others are not (see settings); afterwards all is as it was."""
    wanted = {_place(name): value for name, value in settings(switches, device).items()}
    before = {place: _read(*place) for place in wanted}
    try:
        for place, value in wanted.items():
            setattr(*place, value)
        yield
    finally:
        for place, value in before.items():
            if value is not None:
                setattr(*place, value)


def _place(name: str) -> tuple[Any, str]:
    """The object of torch.backends that has the setting, and the setting's own name."""
    owner, _, attribute = name.rpartition(".")
    return attrgetter(owner)(torch.backends), attribute


def _read(owner: Any, name: str) -> Any:
    """None where torch refuses to say, because its older and newer flags for TF32 were set to differ."""
    try:
        return getattr(owner, name)
    except RuntimeError:
        return None
