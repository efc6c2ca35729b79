"""States that come back as None, whole or in part, and several that no type describes; right ones, and ones with a mistake."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from tests.typed.carried_whole import H, X, leaky


def twice(x: Tensor, hs: Any, cs: Any) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Two layers of leaky sums, of which each has a slower one beside it."""
    new_hs, new_cs = [], []
    for i in range(2):
        slow, c = leaky(x, None if cs is None else cs[i], 0.9)
        x, h = leaky(x + 0.5 * slow, None if hs is None else hs[i], 0.4)
        new_hs.append(h)
        new_cs.append(c)
    return x, new_hs, new_cs


def two_lists(x: X, hs: list[H] | None = None, cs: list[H] | None = None) -> tuple[X, list[H], list[H]]:
    return twice(x, hs, cs)


def lists_in_a_tuple(x: X, hs: list[H] | None = None, cs: list[H] | None = None) -> tuple[X, tuple[list[H], list[H]]]:
    y, hs, cs = twice(x, hs, cs)
    return y, (hs, cs)


def a_list_and_a_dict(x: X, hs: list[H] | None = None, cs: dict[int, H] | None = None) -> tuple[X, list[H], dict[int, H]]:
    y, hs, cs = twice(x, hs, cs)
    return y, hs, dict(enumerate(cs))


@dataclass
class Memory:
    """The sum, and one of the inputs' sizes where it is divided by that."""

    h: H | None = None
    size: H | None = None


def divided(x: X, memory: Memory | None = None, normalised: bool = False) -> tuple[X, Memory]:
    """An option says whether a part of the state is there."""
    memory = memory or Memory()
    y, h = leaky(x, memory.h, 0.7)
    if not normalised:
        return y, Memory(h)
    sizes, size = leaky(x.abs(), memory.size, 0.7)
    return y / (1 + sizes), Memory(h, size)


def undivided(x: X, state: tuple[H, H | None] | None = None) -> tuple[X, tuple[H, H | None]]:
    """The second part is for others of its family."""
    y, h = leaky(x, None if state is None else state[0], 0.7)
    return y, (h, None)


def apart(x: X, h0: H | None = None, n0: H | None = None) -> tuple[X, H, H | None]:
    """So is the second state."""
    y, h = leaky(x, h0, 0.7)
    return y, h, None


def when_asked(x: X, h0: H | None = None, keep: bool = False) -> tuple[X, H | None]:
    """The state comes back where an option says so."""
    y, h = leaky(x, h0, 0.7)
    return y, h if keep else None


RIGHT: dict[Callable[..., Any], str] = {
    two_lists: "hs, cs: caches that are carried and not read",
    lists_in_a_tuple: "hs, cs: caches that are carried and not read",
    a_list_and_a_dict: "hs, cs: caches that are carried and not read",
    divided: "normalised: option False, True; memory: a cache that is carried and not read",
    undivided: "state: a cache that is carried and not read",
    apart: "h0 -> second result: state (units); n0: a cache that is carried and not read",
    when_asked: "h0 -> second result: state (units); keep: option True",
}


def lists_swapped(x: X, hs: list[H] | None = None, cs: list[H] | None = None) -> tuple[X, list[H], list[H]]:
    y, hs, cs = twice(x, hs, cs)
    return y, cs, hs


def second_list_begins_anew(x: X, hs: list[H] | None = None, cs: list[H] | None = None) -> tuple[X, list[H], list[H]]:
    return twice(x, hs, None)


def second_list_detached(x: X, hs: list[H] | None = None, cs: list[H] | None = None) -> tuple[X, list[H], list[H]]:
    y, hs, cs = twice(x, hs, cs)
    return y, hs, [c.detach() for c in cs]


def size_lost(x: X, memory: Memory | None = None, normalised: bool = False) -> tuple[X, Memory]:
    """What it is divided by begins anew in each call."""
    return divided(x, memory and Memory(memory.h), normalised)


def lost(x: X, state: tuple[H | None, H | None] | None = None) -> tuple[X, tuple[H | None, H | None]]:
    """No part of its state comes back."""
    return undivided(x, state)[0], (None, None)


def first_step_lost(x: X, h0: H | None = None, keep: bool = False) -> tuple[X, H | None]:
    """A state of one step alone comes back."""
    y, h = when_asked(x, h0, keep)
    return y, h if x.shape[1] > 1 or h is None else when_asked(x, None, keep)[1]


MISTAKES: dict[Callable[..., Any], str] = {
    lists_swapped: "cache.pieces",
    second_list_begins_anew: "cache.pieces",
    second_list_detached: "cache.gradient",
    size_lost: "cache.pieces",
    lost: "cache.pieces",
    first_step_lost: "time.step_by_step",
}
