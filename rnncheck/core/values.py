"""What a tensor of a case contains: a pattern, a scale and a few overrides, rebuilt bit for bit on every machine."""

import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor


def generator(seed: int, name: str) -> torch.Generator:
    """A random stream of its own for each (seed, name)."""
    return torch.Generator().manual_seed(zlib.crc32(f"{seed}/{name}".encode()))


def _normal(count: int, g: torch.Generator) -> Tensor:
    """Mean 0, variance 1, within 3.5: the sum of four 16-bit integers, exact on every machine (torch.randn is not)."""
    total = torch.randint(0, 65536, (count, 4), generator=g).sum(1)
    return (total - 2 * 65535).double() / 37837.0  # 65536 * sqrt(4 / 12): the standard deviation of that sum


def _sparse(count: int, g: torch.Generator) -> Tensor:
    return _normal(count, g) * (torch.randint(0, 4, (count,), generator=g) == 0)


def _one_hot(count: int, g: torch.Generator) -> Tensor:
    position = torch.randint(0, max(count, 1), (1,), generator=g)
    return (torch.arange(count) == position).double()


_PATTERNS: dict[str, Callable[[int, torch.Generator], Tensor]] = {
    "zeros": lambda count, g: torch.zeros(count, dtype=torch.float64),
    "ones": lambda count, g: torch.ones(count, dtype=torch.float64),
    "one_hot": _one_hot,
    "alternating": lambda count, g: 1.0 - 2.0 * (torch.arange(count) % 2).double(),
    "ramp": lambda count, g: (torch.arange(count) + 1).double() / max(count, 1),
    "sparse": _sparse,
    "normal": _normal,
}
PATTERNS = tuple(_PATTERNS)
"""Simple first: shrinking moves toward what a person can compute by hand."""


@dataclass(frozen=True)
class Values:
    """A pattern times a scale, with up to three (position, value) overrides; positions wrap around.

    >>> Values("ramp", 2.0, ((0, -1.0),)).tensor((4,), seed=0, name="input")
    tensor([-1.0000,  1.0000,  1.5000,  2.0000], dtype=torch.float64)
    """

    pattern: str = "normal"
    scale: float = 1.0
    overrides: tuple[tuple[int, float], ...] = ()

    def __post_init__(self) -> None:
        if self.pattern not in _PATTERNS:
            raise ValueError(f"pattern = {self.pattern!r}, but should be one of {', '.join(PATTERNS)}")

    def tensor(self, shape: tuple[int, ...], seed: int, name: str) -> Tensor:
        """A float64 tensor of this shape; ``name`` picks the random stream, so that tensors do not repeat each other."""
        count = prod(shape)
        values = _PATTERNS[self.pattern](count, generator(seed, name)) * self.scale
        for position, value in self.overrides if count else ():
            values[position % count] = value
        return values.reshape(shape)

    def to_json(self) -> dict[str, Any]:
        """Every field, by name."""
        return asdict(self)

    def __str__(self) -> str:
        some = "".join(f", [{position}] = {value:g}" for position, value in self.overrides)
        return self.pattern + (f" x {self.scale:g}" if self.scale != 1.0 else "") + some
