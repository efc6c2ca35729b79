"""Leaky sums that remember in a cache: right ones, and some with one mistake each, with a property that sees it."""

from dataclasses import dataclass, field
from typing import Annotated, Any

import torch
from jaxtyping import Bool, Float, Int
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

    def reorder(self, rows: Tensor) -> None:
        self.before = [h[rows] for h in self.before]
        self.h = self.before[-1] if self.before else None


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


class Differentiable(Module):
    """The same, where what the cache holds has a graph: torch copies that in no_grad() alone."""

    def forward(self, x: X, cache: Annotated[Sized, rnncheck.State(new=Sized)]) -> X:
        outputs = []
        for t in range(x.shape[1]):
            cache.h = torch.tanh(self.weight) * cache.h + x[:, t]
            outputs.append(cache.h)
        return torch.stack(outputs, 1)


Lengths, LeftPadded = Int[Tensor, " batch"], Annotated[Bool[Tensor, "batch time"], rnncheck.Mask(padding="left")]


@dataclass
class Window:
    """The sum so far, and the last input, as of a convolution over two steps."""

    h: Tensor
    last: Tensor

    def reorder_cache(self, rows: Tensor) -> "Window":
        return Window(self.h[rows], self.last[rows])


def window(batch: int, units: int, dtype: torch.dtype) -> Window:
    """What was before the first step is zero."""
    return Window(*torch.zeros(2, batch, units, dtype=dtype))


Carried = Annotated[Window, rnncheck.State(new=window)]


def through_window(x: Tensor, inside: Tensor, cache: Window) -> Tensor:
    """The leaky sums of each two steps; inside: (batch, time), where there is a step."""
    outputs = []
    for t in range(x.shape[1]):
        new = 0.5 * cache.h + x[:, t] + 0.3 * cache.last
        cache.h, cache.last = (torch.where(inside[:, t, None], *pair) for pair in ((new, cache.h), (x[:, t], cache.last)))
        outputs.append(cache.h)
    return torch.stack(outputs, 1)


def with_lengths(x: X, cache: Carried, lengths: Lengths | None = None) -> X:
    steps = torch.arange(x.shape[1]).expand(x.shape[:2])
    return through_window(x, steps == steps if lengths is None else steps < lengths[:, None], cache)


def with_mask(x: X, mask: LeftPadded, cache: Carried) -> X:
    return through_window(x, mask, cache)


def beside_a_state(x: X, cache: Annotated[Window, rnncheck.State(new=lambda batch, units, dtype: window(batch, units, dtype))],
                   h0: Float[Tensor, "batch units"] | None = None) -> tuple[X, Float[Tensor, "batch units"]]:  # fmt: skip
    """A tensor is carried as well, and what makes the cache has no name."""
    h, outputs = torch.zeros_like(cache.h) if h0 is None else h0, []
    for y in with_lengths(x, cache).unbind(1):
        h = 0.9 * h + y
        outputs.append(h)
    return torch.stack(outputs, 1), h


class ForInference(Sized):
    """It is written into in place, so that backward raises an error."""


def for_inference(x: X, cache: Annotated[ForInference, rnncheck.State(new=ForInference)]) -> X:
    outputs = []
    for t in range(x.shape[1]):
        outputs.append(cache.h.copy_(torch.sin(cache.h) + x[:, t]).clone())
    return torch.stack(outputs, 1)


RIGHT = (in_place, needed, returned, Module, Differentiable, with_lengths, with_mask, beside_a_state)


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


def padding_in_the_cache(x: X, cache: Carried, lengths: Lengths | None = None) -> X:
    """The outputs end where a sequence ends, the cache does not."""
    steps = torch.arange(x.shape[1]).expand(x.shape[:2])
    output = through_window(x, steps == steps, cache)
    return output if lengths is None else torch.where((steps < lengths[:, None])[..., None], output, 0)


def window_detached(x: X, cache: Carried) -> X:
    """Of two states one lets no gradient through."""
    cache.last = cache.last.detach()
    return with_lengths(x, cache)


class HalfReordered(Window):
    """The window stays with its row."""

    def reorder_cache(self, rows: Tensor) -> "HalfReordered":
        return HalfReordered(self.h[rows], self.last)


def half_reordered(batch: int, units: int, dtype: torch.dtype) -> HalfReordered:
    return HalfReordered(*torch.zeros(2, batch, units, dtype=dtype))


def window_not_reordered(x: X, cache: Annotated[Window, rnncheck.State(new=half_reordered)]) -> X:
    """Beams take the state along, and not the window."""
    return with_lengths(x, cache)


MISTAKES: dict[Any, str] = {
    padding_in_the_cache: "cache.prefill",
    window_detached: "cache.gradient",
    window_not_reordered: "cache.reordered",
    dropped_for_several_steps: "cache.pieces",
    single_step_apart: "cache.steps",
    one_for_all: "cache.fresh",
    copies_are_linked: "cache.copied",
    crop_leaves_the_state: "cache.cropped",
    reset_keeps_the_state: "cache.reset",
}
