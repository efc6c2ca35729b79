"""What torch before 2.9 spells differently or lacks; everything else in rnncheck reads the same on every supported torch."""

import warnings

import torch
from torch import Tensor

try:
    from torch.fx._symbolic_trace import is_fx_symbolic_tracing
except ImportError:  # the same question, by its older name
    from torch.fx._symbolic_trace import is_fx_tracing as is_fx_symbolic_tracing

__all__ = [
    "FP32_PRECISION",
    "clips_nothing_in_silence",
    "debug_unwrap",
    "default_device",
    "is_before",
    "is_fx_symbolic_tracing",
    "why_not_compile",
]

FP32_PRECISION = hasattr(torch.backends.mkldnn, "rnn")
"""Whether torch.backends has fp32_precision, for each backend and operation; without it, the allow_tf32 flags say all."""


def is_before(minor: int) -> bool:
    """Return whether this torch is older than 2.minor, where nothing tells it but the number."""
    major, second = torch.__version__.split(".")[:2]
    return (int(major), int(second)) < (2, minor)


def clips_nothing_in_silence() -> bool:
    """Return whether clip_grad_norm_ takes an exhausted generator without a warning, as torch 2.6 does."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        torch.nn.utils.clip_grad_norm_((p for p in list[Tensor]()), 1.0)  # a generator: of other iterators no torch warns
    return not said


def debug_unwrap(values: Tensor) -> Tensor:
    """Return the plain tensor inside what vmap, jvp and grad wrap."""
    if hasattr(torch.func, "debug_unwrap"):
        return torch.func.debug_unwrap(values)
    while torch._C._functorch.is_functorch_wrapped_tensor(values):
        values = torch._C._functorch.get_unwrapped(values)
    return values


def default_device() -> torch.device:
    """Return torch.get_default_device(), which in torch 2.6 raises once set_default_device(None) was called."""
    try:
        return torch.get_default_device()
    except AttributeError:
        return torch.device("cpu")


def why_not_compile() -> str:
    """Say why torch.compile refuses this Python, as an older torch does a newer one; empty where it takes it."""
    try:
        torch.compile(backend="eager")  # of nothing: asks only this, and imports no compiler
    except RuntimeError as refusal:
        return str(refusal)
    return ""
