"""Tensors as Python text: literal values, and the memory layout where it is not the plain one."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

FEW = 12
"""Elements that are written out though all are the same."""
MOST = 4000
"""Elements in one literal; more than that is no script to read."""


class NoLiteral(ValueError):
    """A tensor that cannot be written out: too large, or without values of its own (seen while torch traces a layer)."""


@dataclass(frozen=True)
class Shown:
    """What a script has by this expression: a layer, which has a number, a function, or a result."""

    text: str
    number: int = 0


def literal(value: object) -> str:
    """An expression that rebuilds tensors (values, dtype, strides), packed sequences, tuples and plain values.

    >>> literal(torch.tensor([[1.0, 2.0]]))
    'tensor([[1.0, 2.0]])'
    >>> literal((x := torch.ones(1), x))
    '2 * (tensor([1.0]),)'
    """
    if isinstance(value, Shown):
        return value.text
    if isinstance(value, Tensor):
        return _tensor(_here(value))
    if isinstance(value, PackedSequence):
        parts = ", ".join(literal(part) for part in value)
        return f"torch.nn.utils.rnn.PackedSequence({parts})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {literal(part)}" for key, part in value.items()) + "}"
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], Tensor) and value[0] is value[1]:
        return f"2 * ({literal(value[0])},)"
    if isinstance(value, tuple):
        return "(" + ", ".join(literal(part) for part in value) + ("," if len(value) == 1 else "") + ")"
    return _numbers(value)


def _here(value: Tensor) -> Tensor:
    """The tensor on the CPU, if it has values."""
    try:
        return value.detach() if value.is_meta else value.detach().cpu()
    except RuntimeError as error:  # it is one of vmap's, and vmap is over
        raise NoLiteral(f"a tensor without values of its own: {error}") from error


def _tensor(value: Tensor) -> str:
    if type(value) is not Tensor:
        raise NoLiteral(f"a {type(value).__name__} on {value.device}")
    dtype = "" if value.dtype in (torch.float32, torch.int64, torch.bool) else f", dtype={value.dtype}"
    if 0 in value.shape:
        return f"torch.zeros({tuple(value.shape)}{dtype})"
    if value.is_meta:
        return f"torch.empty({tuple(value.shape)}{dtype}, device='meta')"
    text = _values(value, dtype)
    if value.is_contiguous() and value.storage_offset() == 0:
        return text
    if 0 in value.stride():
        once = tuple(slice(1) if stride == 0 else slice(None) for stride in value.stride())
        return f"{literal(value[once].contiguous())}.expand{tuple(value.shape)}"
    if value.dim() > 1 and value.transpose(0, 1).is_contiguous():
        return f"{text}.transpose(0, 1).contiguous().transpose(0, 1)"
    if value.storage_offset():
        offset = value.storage_offset()
        return f"torch.cat([torch.zeros({offset}{dtype}), {text}.flatten()])[{offset}:].view{tuple(value.shape)}"
    return f"torch.empty_strided({tuple(value.shape)}, {value.stride()}{dtype}).copy_({text})"


def _values(value: Tensor, dtype: str) -> str:
    """All the same number, or each of them."""
    first = value.flatten()[0]
    if value.numel() > FEW and bool((value == first).all()) and value.is_floating_point():
        return f"torch.full({tuple(value.shape)}, {_numbers(first.item())}{dtype})"
    if value.numel() > MOST:
        raise NoLiteral(f"a tensor of {value.numel()} elements")
    return f"tensor({_numbers(value.tolist())}{dtype})"


def _numbers(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_numbers(part) for part in value) + "]"
    if isinstance(value, float) and value != value:
        return "float('nan')"
    return f"float('{value}')" if value in (float("inf"), float("-inf")) else repr(value)
