"""What a call returns, as tensors and the paths to them; and a state's structure, to be rebuilt from its tensors."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

Path = tuple[str | int, ...]


def leaves(result: Any, path: Path = ()) -> Iterator[tuple[Path, Tensor]]:
    """Return each tensor of a result with the path to it, in order."""
    if isinstance(result, Tensor):
        yield path, result
    for name, value in entries(result):
        yield from leaves(value, (*path, name))


def entries(value: Any) -> list[tuple[str | int, Any]]:
    """Return what is directly inside a container, under names or numbers."""
    if isinstance(value, Mapping):
        return [(name, one) for name, one in value.items() if isinstance(name, str | int)]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return [(name, getattr(value, name)) for name in value._fields]
    if isinstance(value, tuple | list):
        return list(enumerate(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(one.name, getattr(value, one.name)) for one in dataclasses.fields(value)]
    return []


def structure_of(value: Any, numbers: dict[int, int]) -> Any:
    """Return a value's structure as literals; tensors become their numbers by identity. None where something else is inside."""
    if isinstance(value, Tensor):
        return numbers.get(id(value))
    inner = entries(value)
    parts = [(name, structure_of(one, numbers)) for name, one in inner]
    if not inner or any(part is None for _, part in parts):
        return None
    if type(value) in (tuple, list):
        return [type(value).__name__, *(part for _, part in parts)]
    kind = "dict" if isinstance(value, Mapping) else type(value).__name__
    return [kind, *([name, part] for name, part in parts)]


def common(paths: list[Path]) -> Path:
    """Return the longest path that all of these begin with."""
    shortest = min(paths, key=len)
    end = next((i for i in range(len(shortest)) if len({path[i] for path in paths}) > 1), len(shortest))
    return shortest[:end]


def value_at(result: Any, path: Path) -> Any:
    """Return what lies at this path."""
    for step in path:
        result = dict(entries(result))[step]
    return result
