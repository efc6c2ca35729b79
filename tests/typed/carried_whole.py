"""States with parts that are no tensors with axes: right ones, and some with one mistake each, with a property that sees it."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

X, H = Float[Tensor, "batch time units"], Float[Tensor, "batch units"]


def leaky(x: Tensor, h: Tensor | None, decay: float) -> tuple[Tensor, Tensor]:
    """The leaky sums from h, and the last of them."""
    h, outputs = torch.zeros_like(x[:, 0]) if h is None else h, []
    for t in range(x.shape[1]):
        h = decay * h + torch.tanh(x[:, t])
        outputs.append(h)
    return torch.stack(outputs, 1), h


class Turned(NamedTuple):
    """The sum so far, and how many steps it is of."""

    h: H
    pos: int


class Counted(NamedTuple):
    """The same with a tensor that counts."""

    h: H
    pos: Int[Tensor, ""]


def counter(x: X, state: Turned | None = None, more: int = 0) -> tuple[X, Turned]:
    h, pos = (None, 0) if state is None else state
    angles = 0.3 * torch.arange(pos, pos + x.shape[1], dtype=x.dtype)
    y, h = leaky(x * angles.cos()[:, None], h, 0.5)
    return y, Turned(h, pos + x.shape[1] + more)


def counter_in_a_tensor(x: X, state: Counted | None = None) -> tuple[X, Counted]:
    y, (h, pos) = counter(x, None if state is None else Turned(state.h, int(state.pos)))
    return y, Counted(h, torch.tensor(pos))


def counter_in_a_tuple(x: X, state: tuple[H, int] | None = None) -> tuple[X, tuple[H, int]]:
    y, (h, pos) = counter(x, None if state is None else Turned(*state))
    return y, (h, pos)


def counted_twice(x: X, state: Turned | None = None) -> tuple[X, Turned]:
    """The counter is off by one."""
    return counter(x, state, 1)


@dataclass
class Cache:
    """A sum and the last inputs of a convolution, which are not there at first."""

    pos: int = 0
    ssm: H | None = None
    conv: Tensor | None = None


def windowed(x: X, cache: Cache | None = None) -> tuple[X, Cache]:
    cache = cache or Cache()
    whole = torch.cat([x.new_zeros(len(x), 2, x.shape[2]) if cache.conv is None else cache.conv, x], 1)
    y, h = leaky(whole[:, 2:] + 0.5 * whole[:, 1:-1] + 0.3 * whole[:, :-2], cache.ssm, 0.6)
    return y, Cache(cache.pos + x.shape[1], h, whole[:, -2:])


def window_lost(x: X, cache: Cache | None = None) -> tuple[X, Cache]:
    """The last inputs are not carried."""
    y, new = windowed(x, cache)
    return y, Cache(new.pos, new.ssm)


def window_of_the_call(x: X, cache: Cache | None = None) -> tuple[X, Cache]:
    """After a single step, the window has but this step."""
    y, new = windowed(x, cache)
    return y, Cache(new.pos, new.ssm, torch.cat([torch.zeros_like(x), x], 1)[:, -2:] if x.shape[1] == 1 else new.conv)


def stacked(x: X, states: list[H] | None = None) -> tuple[X, list[H]]:
    new = []
    for i in range(3):
        x, h = leaky(x, None if states is None else states[i], 0.3 + 0.2 * i)
        new.append(h)
    return x, new


def stacked_in_a_tuple(x: X, states: tuple[H, ...] | None = None) -> tuple[X, tuple[H, ...]]:
    y, new = stacked(x, None if states is None else [*states])
    return y, tuple(new)


def by_name(x: X, states: dict[str, H] | None = None) -> tuple[X, dict[str, H]]:
    y, new = stacked(x, None if states is None else [*states.values()])
    return y, dict(zip("abc", new, strict=True))


def by_key(x: X, state: dict[str, Tensor] | None = None) -> tuple[X, dict[str, Tensor]]:
    """No type says what the tensors are."""
    y, h = leaky(x, None if state is None else state["sum"], 0.6)
    return y, {"sum": h, "shown": h.detach()}


def by_key_in_vain(x: X, state: dict[str, Tensor] | None = None) -> tuple[X, dict[str, Tensor]]:
    """It reads under another name than it writes."""
    y, h = leaky(x, None if state is None else state.get("total"), 0.6)
    return y, {"sum": h}


class Stack(nn.Module):
    """Cells of torch, of which each has a state in the list; each annotation is written anew."""

    def __init__(self, input: int, hidden: int) -> None:
        super().__init__()
        self.cells = nn.ModuleList(nn.GRUCell(size, hidden) for size in (input, hidden))

    def forward(
        self, x: Float[Tensor, "batch time input"], states: list[Float[Tensor, "batch hidden"]] | None = None
    ) -> tuple[Float[Tensor, "batch time hidden"], list[Float[Tensor, "batch hidden"]]]:
        new = []
        for cell, h in zip(self.cells, states or [None, None], strict=True):
            outputs = []
            for t in range(x.shape[1]):
                h = cell(x[:, t], h)
                outputs.append(h)
            x = torch.stack(outputs, 1)
            new.append(h)
        return x, new


def swapped(x: X, states: list[H] | None = None) -> tuple[X, list[H]]:
    """The states come back in another order."""
    y, new = stacked(x, states)
    return y, new[::-1]


def one_forgotten(x: X, states: list[H] | None = None) -> tuple[X, list[H]]:
    """The second layer begins anew in each call."""
    y, new = stacked(x, states)
    return y, [new[0], torch.zeros_like(new[1]), new[2]]


def one_detached(x: X, states: list[H] | None = None) -> tuple[X, list[H]]:
    """No gradient flows through the state of the second layer."""
    y, new = stacked(x, states)
    return y, [new[0], new[1].detach(), new[2]]


def all_detached(x: X, states: list[H] | None = None) -> tuple[X, list[H]]:
    """No gradient flows through any of them."""
    y, new = stacked(x, states)
    return y, [h.detach() for h in new]


def counted_and_detached(x: X, state: Turned | None = None) -> tuple[X, Turned]:
    """The counter is right, and the sum beside it is detached."""
    y, (h, pos) = counter(x, state)
    return y, Turned(h.detach(), pos)


RIGHT = (counter, counter_in_a_tensor, counter_in_a_tuple, windowed, stacked, stacked_in_a_tuple, by_name, by_key, Stack)
MISTAKES: dict[Any, str] = {
    counted_twice: "cache.pieces",
    window_lost: "cache.pieces",
    window_of_the_call: "cache.steps",
    swapped: "cache.pieces",
    one_forgotten: "cache.steps",
    one_detached: "cache.gradient",
    all_detached: "cache.gradient",
    by_key_in_vain: "cache.pieces",
    counted_and_detached: "cache.gradient",
}
