"""Gradient clipping by the norm: g' = min(max_norm / norm, 1) * g, over all gradients as one vector.

Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", arXiv:1211.5063.
"""

import functools
import inspect
import math
import warnings
from collections.abc import Generator, Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

FOREACH_DEVICES = ("cpu", "cuda", "xpu", "mtia")


class Norm(NamedTuple):
    """A norm as scale * ratio: the product may overflow although no gradient does."""

    scale: float
    ratio: float

    @property
    def value(self) -> float:
        """The norm itself, rounded."""
        return self.scale * self.ratio


class Group(NamedTuple):
    """Gradients of one device and dtype, and whether one foreach call may take them all."""

    grads: list[Tensor]
    foreach: bool


@torch.no_grad()
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scales all gradients in place so that their norm, taken as one vector, is at most max_norm.

    A drop-in for torch.nn.utils.clip_grad_norm_, with the same arguments and result, that keeps its promise where
    torch's does not:

    - Within the bound nothing is written: the gradients are the same bit for bit.
    - Beyond it the result has the norm max_norm, up to the roundoff of the gradients' dtype; there is no 1e-6.
    - The norm is summed in float64 (float32 where the device has none), relative to the largest gradient where powers
      could overflow or underflow; how the gradients are grouped into tensors does not matter.
    - A parameter that is listed twice counts once; one without a gradient, or with 0 elements, not at all.
    - A gradient that is inf or NaN leaves no direction to keep, so unless error_if_nonfinite says to raise, *every*
      gradient becomes NaN, and a step with them cannot pass for a good one. (torch's zeroes all finite gradients
      when one is inf.) With max_norm = inf nothing is asked for and nothing is written, whatever the gradients hold.

    parameters:         a Tensor or an iterable of Tensors whose ``.grad`` is strided: any shapes, dtypes and devices;
                        shards too (DTensors, as FSDP2 makes them), where every rank makes the call
    max_norm:           the bound, at least 0; inf only measures
    norm_type:          the p of the p-norm, at least 1, or inf. What is below is refused: it is no norm; p = 0 counts
                        elements, which no scaling can change
    error_if_nonfinite: raise RuntimeError instead when a gradient is inf or NaN, and change nothing
    foreach:            one call for all tensors of a dtype and device (None: wherever it can be), or a loop; the
                        result is the same

    Returns the norm before clipping as a tensor without axes, on the device of the first gradient, in the dtype that
    the gradients promote to and at least float32. It may round to inf although every gradient is finite; they are
    clipped all the same.

    Raises ValueError if max_norm is negative or NaN, if norm_type is below 1, and if parameters is used up: an
    exhausted generator, or any other iterator that yields nothing, which cannot be told from one (an empty list is
    fine, and a fresh generator that yields nothing warns, as in torch). TypeError for what is no Tensor and for sparse
    gradients. RuntimeError if foreach=True is asked of a device without it.

    The host reads the norm, once a device (twice for float64 gradients). So torch.compile runs it beside its graph
    and not inside, and it cannot be part of a captured CUDA graph.

    >>> p = torch.nn.Parameter(torch.zeros(2))
    >>> p.grad = torch.tensor([3.0, 4.0])
    >>> clip_grad_norm_([p], max_norm=1.0)
    tensor(5.)
    >>> p.grad
    tensor([0.6000, 0.8000])
    """
    max_norm, p = _bound(max_norm), _order(norm_type)
    grads = _gradients(parameters)
    groups = _groups([g for g in grads if g.numel() > 0], foreach)
    norm = _norm(groups, p)
    if not math.isfinite(norm.ratio):
        if error_if_nonfinite:
            raise RuntimeError(f"the norm of the gradients is {norm.value}: {_first_nonfinite(grads)}")
        if max_norm < math.inf:
            _scale(groups, [math.nan])
    elif norm.value > max_norm:
        _scale(groups, _factors(max_norm, norm))
    dtype = functools.reduce(torch.promote_types, (g.dtype.to_real() for g in grads), torch.float32)
    return torch.tensor(norm.value, dtype=dtype, device=grads[0].device if grads else None)


# ---- what is given


def _bound(max_norm: float) -> float:
    max_norm = float(max_norm)
    if not max_norm >= 0.0:
        raise ValueError(f"max_norm = {max_norm}, but should be at least 0")
    return max_norm


def _order(norm_type: float) -> float:
    p = float(norm_type)
    if not p >= 1.0:
        raise ValueError(f"norm_type = {p}, but should be at least 1: below, it is no norm")
    return p


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    """The gradient of each distinct parameter that has one."""
    listed = [parameters] if isinstance(parameters, Tensor) else _listed(parameters)
    for index, parameter in enumerate(listed):
        if not isinstance(parameter, Tensor):
            raise TypeError(f"parameters[{index}] is a {type(parameter).__name__}, but should be a Tensor")
    distinct = {id(parameter): parameter for parameter in listed}.values()
    grads = [parameter.grad for parameter in distinct if parameter.grad is not None]
    for grad in grads:
        if grad.layout is not torch.strided:
            raise TypeError(f"a gradient of shape {tuple(grad.shape)} is {grad.layout}, but should be strided (dense)")
    return grads


def _listed(parameters: Iterable[Tensor]) -> list[Tensor]:
    """All that the iterable yields; refuses one that has nothing left to yield."""
    if not isinstance(parameters, Iterable):
        raise TypeError(f"parameters is a {type(parameters).__name__}, but should be a Tensor or an iterable of Tensors")
    if isinstance(parameters, Generator) and inspect.getgeneratorstate(parameters) == inspect.GEN_CLOSED:
        raise ValueError("parameters is a generator that is used up: pass a fresh one, or a list")
    listed = list(parameters)
    if not listed and isinstance(parameters, Generator):
        warnings.warn("parameters is a generator that yields nothing, so nothing is clipped", stacklevel=5)
    elif not listed and isinstance(parameters, Iterator):
        raise ValueError(f"parameters is a {type(parameters).__name__} that yields nothing, empty or used up: pass a list")
    return listed


def _groups(grads: list[Tensor], foreach: bool | None) -> list[Group]:
    """The gradients by device and dtype."""
    by_kind: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
    for grad in grads:
        by_kind.setdefault((grad.device, grad.dtype), []).append(grad)
    return [Group(group, _in_one_call(group, foreach)) for group in by_kind.values()]


def _in_one_call(grads: list[Tensor], foreach: bool | None) -> bool:
    """Whether foreach is wanted and can be had."""
    device = grads[0].device.type
    if foreach and device not in FOREACH_DEVICES:
        raise RuntimeError(f"foreach=True, but tensors on {device} have no foreach kernels: use foreach=None")
    plain = all(type(grad) in (Tensor, torch.nn.Parameter) for grad in grads)
    return foreach is not False and device in FOREACH_DEVICES and plain


# ---- the norm


def _norm(groups: list[Group], p: float) -> Norm:
    """The p-norm of all gradients as one vector; its ratio is inf or NaN if and only if some gradient is."""
    wide = _widest([group.grads[0].device for group in groups])
    if p == math.inf or all(_powers_fit(group.grads[0].dtype, p, wide) for group in groups):
        return Norm(1.0, _of_parts(_norms(groups, p, wide), p))
    largest = _of_parts(_norms(groups, math.inf, wide), math.inf)
    if largest == 0.0 or not math.isfinite(largest):
        return Norm(1.0, largest)
    relative = [_real(grad).to(wide) / largest for group in groups for grad in group.grads]
    return Norm(largest, _of_parts([_norm_of(r, p, wide).item() for r in relative], p))


def _norms(groups: list[Group], p: float, wide: torch.dtype) -> list[float]:
    """The norm of each gradient, summed in the wide dtype; one transfer for each device."""
    by_device: dict[torch.device, list[Tensor]] = {}
    for grads, foreach in groups:
        real = [_real(grad) for grad in grads]
        each = torch._foreach_norm(real, p, wide) if foreach else [_norm_of(g, p, wide) for g in real]
        by_device.setdefault(grads[0].device, []).extend(each)
    return [value for norms in by_device.values() for value in torch.stack(norms).tolist()]


def _norm_of(grad: Any, p: float, wide: torch.dtype) -> Tensor:
    """The norm of one gradient; of a DTensor all ranks', each of which may hold a copy, a shard, or nothing of it."""
    if not hasattr(grad, "full_tensor"):
        return torch.linalg.vector_norm(grad, p, dtype=wide)
    from torch.distributed.tensor import DTensor, Partial

    if any(placement.is_partial() for placement in grad.placements):
        return torch.linalg.vector_norm(grad.full_tensor(), p, dtype=wide)
    local = grad.to_local()
    norm = torch.linalg.vector_norm(local, p, dtype=wide) if local.numel() else local.new_zeros((), dtype=wide)
    shards = Partial("max" if p == math.inf else "sum")
    parts = [placement if placement.is_replicate() else shards for placement in grad.placements]
    power = norm if p == math.inf else norm**p
    whole = DTensor.from_local(power, grad.device_mesh, parts, run_check=False).full_tensor()
    return whole if p == math.inf else whole ** (1.0 / p)


def _of_parts(norms: list[float], p: float) -> float:
    """The norm of a vector from those of its parts: NaN if one is, else inf if one is."""
    if not all(map(math.isfinite, norms)):
        return math.fsum(norms)
    largest = max(norms, default=0.0)
    if largest == 0.0 or p == math.inf:
        return largest
    return largest * math.fsum((norm / largest) ** p for norm in norms) ** (1.0 / p)


def _real(grad: Tensor) -> Tensor:
    """Magnitudes of a complex gradient, anything else as it is."""
    return grad.to(torch.complex128).abs() if grad.is_complex() else grad


def _widest(devices: list[torch.device]) -> torch.dtype:
    """What the norm is summed in: float64, where every device has it."""
    return torch.float32 if any(device.type == "mps" for device in devices) else torch.float64


def _powers_fit(dtype: torch.dtype, p: float, wide: torch.dtype) -> bool:
    """Whether sums of p-th powers of this dtype's values neither overflow nor underflow in the wide dtype."""
    narrow, sums = torch.finfo(dtype), torch.finfo(wide)
    largest, smallest = math.log2(narrow.max), math.log2(narrow.tiny * narrow.eps)
    return p * largest + 64 < math.log2(sums.max) and p * smallest > math.log2(sums.tiny)


def _first_nonfinite(grads: list[Tensor]) -> str:
    for index, given in enumerate(grads):
        grad = given.full_tensor() if hasattr(given, "full_tensor") else given
        if not grad.isfinite().all():
            holds = "nan" if grad.isnan().any() else "inf"
            return f"gradient {index} of {len(grads)}, of shape {tuple(grad.shape)}, holds {holds}"
    raise AssertionError("every gradient is finite")


# ---- the scaling


def _factors(max_norm: float, norm: Norm) -> list[float]:
    """Numbers whose product is max_norm / norm, each of which float32 holds without loss of precision."""
    mantissa, exponent = math.frexp(max_norm)
    scale_mantissa, scale_exponent = math.frexp(norm.scale)
    mantissa, shift = math.frexp(mantissa / (scale_mantissa * norm.ratio))
    exponent += shift - scale_exponent
    if exponent > -120:
        return [math.ldexp(mantissa, exponent)]
    half = exponent // 2  # powers of two are exact, and keep precision where their product would be subnormal
    return [math.ldexp(1.0, half), math.ldexp(1.0, exponent - half), mantissa]


def _scale(groups: list[Group], factors: list[float]) -> None:
    """Multiplies each distinct gradient by all factors, in place.

    Low precision goes one by one: where foreach falls back to a loop of its own it rounds the factor to the dtype of
    the gradients first, which in float16 makes 0 of a factor below 6e-8.
    """
    for grads, foreach in groups:
        distinct = list({id(grad): grad for grad in grads}.values())
        for factor in factors:
            if foreach and distinct[0].dtype not in (torch.float16, torch.bfloat16):
                torch._foreach_mul_(distinct, factor)
            else:
                for grad in distinct:
                    grad.mul_(factor)
