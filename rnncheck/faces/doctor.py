"""``rnncheck doctor``: one screen on this machine, to read before a run and to paste into a report of a bug."""

import os
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import click

from rnncheck.core.plain_text import one_line

OPTIONAL = {
    "pytest": "the plugin", "ray": "--engine ray", "onnx": "export to ONNX", "onnxruntime": "runs of exported layers",
    "triton": "compiled CUDA kernels",
}  # fmt: skip
"""Packages that rnncheck can do without, and what they are for."""
SWITCHES = ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "PYTORCH_ENABLE_MPS_FALLBACK", "ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY")
"""Environment variables beside RNNCHECK_* that change results or devices."""
LABEL = 12
GIB = 1 << 30


@click.command("doctor")
def doctor_command() -> int:
    """Show versions, devices, and what this processor's kernels lack: one screen for a bug report."""
    for label, text in report():
        click.echo(f"{label:{LABEL}} {one_line(text)}")
    return 0


def report() -> Iterator[tuple[str, str]]:
    """Yield the lines as (label, text); nothing in them names the user, the machine or a path."""
    from rnncheck.backend.environment import environment

    env = environment()
    yield "versions", f"rnncheck {env['rnncheck']}, torch {env['torch']}, Python {env['python']}, {env['platform']}"
    yield "needs", ", ".join(f"{name} {_installed(name) or 'missing'}" for name in _needed())
    yield "options", ", ".join(f"{name} {_installed(name) or f'missing ({what})'}" for name, what in OPTIONAL.items())
    yield "processor", _processor(env["cpu_capability"], env["onednn"])
    yield from (("device", line) for line in _devices())
    yield from (("kernels", line) for line in _kernels())
    yield "compiler", _compiler()
    yield "settings", _settings()


def _needed() -> tuple[str, ...]:
    return ("hypothesis", "jaxtyping", "beartype", "covertable", "numpy", "safetensors")


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor(capability: str, onednn: bool) -> str:
    from rnncheck.engine.memory import available

    free = available()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = "unknown" if free is None else f"{free / GIB:.1f} GiB"
    return f"{capability}, oneDNN {'yes' if onednn else 'no'}, {cores} cores, {memory} of memory free"


def _devices() -> Iterator[str]:
    import torch

    from rnncheck.backend.devices import KINDS, found

    here = found()
    yield from (f"cuda:{i} {torch.cuda.get_device_name(i)}, cuDNN {torch.backends.cudnn.version()}"
                for i in range(torch.cuda.device_count() if "cuda" in here else 0))  # fmt: skip
    yield from (kind for kind in here if kind != "cuda")
    absent = [kind for kind in KINDS if kind not in here]
    built = "" if torch.version.cuda or "cuda" in here else " (this torch is built without CUDA)"
    if absent:
        yield f"none of {', '.join(absent)}{built}: their properties are not reached"


def _kernels() -> Iterator[str]:
    """Yield what torch's own layers cannot do on this processor; those claims are not checked here."""
    from rnncheck.adapters.torch_layers import OF_TORCH, torch_nn

    lacking = [
        f"{subject.name}: {claim.why}"
        for subject in (torch_nn(modes[0]) for modes in OF_TORCH.values())
        for claim in subject.claims.values()
        if claim.how == "probed" and not claim.offered
    ]
    yield from lacking or [
        "torch's RNN, GRU and LSTM run in float64, float32, bfloat16, float16 and under autocast, with gradients"
    ]


def _compiler() -> str:
    from rnncheck.older_torch import why_not_compile

    why = why_not_compile()
    found = next(filter(None, map(shutil.which, ("g++", "clang++", "c++", "cl"))), None)
    if why or found is None:
        return f"torch.compile cannot be checked: {why or 'there is no C++ compiler'}"
    return "torch.compile can be checked"


def _settings() -> str:
    names = [name for name in os.environ if name in SWITCHES or name.startswith("RNNCHECK_")]
    return ", ".join(f"{name}={os.environ[name]}" for name in sorted(names)) or "no variable that changes results is set"
