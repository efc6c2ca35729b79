"""Leaky sums that remember in a cache: right ones, and some with one mistake each, with a property that sees it."""

from dataclasses import dataclass, field
from typing import Annotated, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

import rnncheck

X = Float[Tensor, "batch time units"]


@dataclass
class Cache:
    """The sum so far, and those before it, to go back to."""

    h: Tensor | None = None
    before: list[Tensor] = field(default_factory=list)

    def crop(self, steps: int) -> None:
        self.before = self.before[:steps]
        self.h = self.before[-1] if self.before else None

    def reset(self) -> None:
        self.h, self.before = None, []


def summed(x: X, cache: Any) -> Tensor:
    """The leaky sums from what the cache knows; they are put into it."""
    h, outputs = torch.zeros_like(x[:, 0]) if cache is None or cache.h is None else cache.h, []
    for t in range(x.shape[1]):
        h = 0.5 * h + x[:, t]
        outputs.append(h)
    if cache is not None:
        cache.h, cache.before = h, [*cache.before, *outputs]
    return torch.stack(outputs, 1)


Given = Annotated[Cache, rnncheck.State(new=Cache)]


def in_place(x: X, cache: Given | None = None) -> X:
    return summed(x, cache)


def needed(x: X, cache: Given) -> X:
    return summed(x, cache)


def returned(x: X, cache: Given | None = None) -> tuple[X, Cache]:
    new = Cache() if cache is None else Cache(cache.h, [*cache.before])
    return summed(x, new), new


class Sized:
    """A cache whose memory is there from the beginning."""

    def __init__(self, batch: int, units: int, dtype: torch.dtype = torch.float32) -> None:
        self.h = torch.zeros(batch, units, dtype=dtype)

    def crop(self, steps: int) -> None:
        raise NotImplementedError("what is forgotten cannot be had back")


class Module(nn.Module):
    """The same as a module, with a weight."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(units))

    def forward(self, x: X, cache: Annotated[Sized, rnncheck.State(new=Sized)]) -> X:
        h, outputs = cache.h, []
        for t in range(x.shape[1]):
            h = torch.tanh(self.weight) * h + x[:, t]
            outputs.append(h)
        cache.h = h.detach()
        return torch.stack(outputs, 1)


RIGHT = (in_place, needed, returned, Module)


def dropped_for_several_steps(x: X, cache: Given | None = None) -> X:
    """What the cache knows is used for single steps alone."""
    if cache is not None and x.shape[1] > 1:
        cache.h = None
    return summed(x, cache)


def single_step_apart(x: X, cache: Given | None = None) -> X:
    """A single step forgets less."""
    if cache is not None and x.shape[1] == 1 and cache.h is not None:
        cache.h = 1.1 * cache.h
    return summed(x, cache)


class Shared(Cache):
    """Its memory is that of the class."""

    memory: dict[str, Any] = {}

    def __init__(self) -> None:
        super().__init__()

    h = property(lambda self: self.memory.get("h"), lambda self, h: None if h is None else self.memory.update(h=h))  # type: ignore


def one_for_all(x: X, cache: Annotated[Shared, rnncheck.State(new=Shared)] | None = None) -> X:
    """All caches are one."""
    if cache is not None and cache.h is not None and cache.h.shape != x[:, 0].shape:
        Shared.memory.clear()
    return summed(x, cache)


class Uncropped(Cache):
    """Crop forgets what was before, and leaves the state."""

    def crop(self, steps: int) -> None:
        self.before = self.before[:steps]


def crop_leaves_the_state(x: X, cache: Annotated[Uncropped, rnncheck.State(new=Uncropped)] | None = None) -> X:
    """Crop leaves the state as it was."""
    return summed(x, cache)


class HalfReset(Cache):
    """Reset keeps the state."""

    def reset(self) -> None:
        self.before = []


def reset_keeps_the_state(x: X, cache: Annotated[HalfReset, rnncheck.State(new=HalfReset)] | None = None) -> X:
    """Reset keeps the state."""
    return summed(x, cache)


class Linked(Cache):
    """Its copies write where it does."""

    def __deepcopy__(self, memo: Any) -> "Linked":
        return self


def copies_are_linked(x: X, cache: Annotated[Linked, rnncheck.State(new=Linked)] | None = None) -> X:
    """A copy of the cache is the cache."""
    return summed(x, cache)


MISTAKES: dict[Any, str] = {
    dropped_for_several_steps: "cache.pieces",
    single_step_apart: "cache.steps",
    one_for_all: "cache.fresh",
    copies_are_linked: "cache.copied",
    crop_leaves_the_state: "cache.cropped",
    reset_keeps_the_state: "cache.reset",
}
