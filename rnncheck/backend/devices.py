"""Which devices there are, and which were asked for."""

from collections.abc import Callable

import torch

from rnncheck.core.case import DEVICE
from rnncheck.core.plain_text import quoted
from rnncheck.errors import UsageError

KINDS = ("cpu", "cuda", "mps", "xpu")


def found() -> list[str]:
    """The kinds of device that this machine has and this torch can use, cpu first."""
    others: dict[str, Callable[[], bool]] = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
        "xpu": torch.xpu.is_available,
    }
    return ["cpu", *(kind for kind, available in others.items() if available())]


def asked_for(words: str) -> list[str]:
    """``all``, or comma-separated devices such as ``cpu,cuda:1``; raises UsageError on one that torch has never heard of.

    >>> asked_for("cpu,cuda:1")
    ['cpu', 'cuda:1']
    """
    if words == "all":
        return found()
    devices = [word.strip() for word in words.split(",")]
    for device in devices:
        if not DEVICE.fullmatch(device):
            raise UsageError(f"device = {quoted(device)}, but should be all, or one of {', '.join(KINDS)} (cuda:1 for the second)")
    return devices


def is_here(device: str) -> bool:
    """Whether the device can be used."""
    kind, _, index = device.partition(":")
    count = torch.cuda.device_count() if kind == "cuda" else 1
    return kind in found() and int(index or 0) < count
