"""What a model returned: its tensors by the path that leads to each, as copies that nothing else can reach."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor

Tensors = Mapping[str, Tensor]


def leaves(result: Any, path: str = "output") -> Iterator[tuple[str, Any]]:
    """(path, value) of everything in nested tuples, lists, mappings and dataclasses; lists count as tuples.

    >>> [path for path, _ in leaves((torch.zeros(1), {"h": None}))]
    ['output[0]', "output[1]['h']"]
    """
    if isinstance(result, tuple | list):
        for place, part in enumerate(result):
            yield from leaves(part, f"{path}[{place}]")
    elif isinstance(result, Mapping):
        for key, part in result.items():
            yield from leaves(part, f"{path}[{key!r}]")
    elif is_dataclass(result) and not isinstance(result, type):
        for field in fields(result):
            yield from leaves(getattr(result, field.name), f"{path}.{field.name}")
    else:
        yield path, result


def tensors(result: Any) -> dict[str, Tensor]:
    """The live tensors by path."""
    return {path: value for path, value in leaves(result) if isinstance(value, Tensor)}


def numbers(result: Any) -> dict[str, Tensor]:
    """Copies of the tensors by path, float64 on the CPU where they are of floating point."""
    return {path: copied(value) for path, value in tensors(result).items()}


def copied(value: Tensor) -> Tensor:
    """A copy of its own, float64 on the CPU."""
    return value.detach().to(device="cpu", dtype=torch.float64, copy=True)


def shape_of(value: Any) -> str:
    """What a leaf is, in words: dtype and shape of a tensor, the value of anything else.

    >>> shape_of(torch.zeros(2, 3)), shape_of(None)
    ('float32 of shape (2, 3)', 'None')
    """
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} of shape {tuple(value.shape)}"
    return f"{value!r:.40}"


def poison(results: Any) -> None:
    """Overwrite the memory of results that are copied by now with NaN: nobody is to find them there."""
    with torch.no_grad():
        for value in tensors(results).values():
            if value.is_floating_point():
                value.detach().fill_(torch.nan)
