"""Recurrences with an option that says how many steps come before a call; right ones, and ones with a mistake."""

from collections.abc import Callable
from typing import Annotated, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

import rnncheck

Q, V = Float[Tensor, "batch heads time key"], Float[Tensor, "batch heads time value"]
S = Float[Tensor, "batch heads key value"]
X, H = Float[Tensor, "batch time units"], Float[Tensor, "batch units"]


def rotated(x: Tensor, first: float) -> Tensor:
    """Each step turned by its position, pair by pair of features."""
    half = x.shape[-1] // 2
    frequencies = 100 ** -(torch.arange(half).to(x) / max(half, 1))
    angles = torch.arange(first, first + x.shape[-2]).to(x)[:, None] * frequencies
    a, b, rest = x.split([half, half, x.shape[-1] - 2 * half], -1)
    return torch.cat([a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos(), rest], -1)


def attended(q: Tensor, k: Tensor, v: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
    """Retention at one decay, all steps at once."""
    steps = torch.arange(q.shape[2]).to(q)
    decay = torch.where(steps[:, None] >= steps, 0.8 ** (steps[:, None] - steps).clamp(min=0), 0)
    state = q.new_zeros(*q.shape[:2], q.shape[3], v.shape[3]) if state is None else state
    y = (q @ k.transpose(-1, -2) * decay) @ v + 0.8 ** (steps[:, None] + 1) * (q @ state)
    left = 0.8 ** (len(steps) - 1 - steps)
    return y, 0.8 ** len(steps) * state + torch.einsum("bhtk,t,bhtv->bhkv", k, left, v)


def retention(q: Q, k: Q, v: V, past_kv: S | None = None, offset: int = 0) -> tuple[V, S]:
    return attended(rotated(q, offset), rotated(k, offset), v, past_kv)


def from_none(q: Q, k: Q, v: V, past_kv: S | None = None, start: int | None = None) -> tuple[V, S]:
    """No position is that of the first step."""
    return retention(q, k, v, past_kv, start or 0)


def faded(x: X, h0: H | None = None, begin: float = 1.0, scale: int = 3) -> tuple[X, H]:
    """Steps count less and less, as they are counted from 1 on; another option is no position."""
    h, outputs = torch.zeros_like(x[:, 0]) if h0 is None else h0, []
    for t in range(x.shape[1]):
        h = 0.5 * h + x[:, t] / (begin + t) * scale
        outputs.append(h)
    return torch.stack(outputs, 1), h


class Rotary(nn.Module):
    """A module with a position."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(units, 3 * units)

    def forward(
        self, x: Float[Tensor, "batch time units"], state: Float[Tensor, "batch units units"] | None = None, pos: int = 0
    ) -> tuple[Float[Tensor, "batch time units"], Float[Tensor, "batch units units"]]:
        q, k, v = (part[:, None] for part in self.qkv(x).chunk(3, 2))
        y, state = retention(q, k, v, None if state is None else state[:, None], pos)
        return y[:, 0], state[:, 0]


def in_pairs(q: Q, k: Q, v: V, past_kv: S | None = None, offset: int = 0) -> tuple[V, S]:
    """It takes pairs of steps alone."""
    assert q.shape[2] % 2 == 0, "the number of steps must be even"
    return retention(q, k, v, past_kv, offset)


def said(q: Q, k: Q, v: V, past_kv: S | None, start: Annotated[int, rnncheck.Options(0, 7)]) -> tuple[V, S]:
    """It must be given, and is said to be an option."""
    return retention(q, k, v, past_kv, start)


def of_both(q: Q, k: Q, v: V, past_kv: S | None = None, q_start: int = 0, k_start: int = 0) -> tuple[V, S]:
    """Two positions that go together."""
    return attended(rotated(q, q_start), rotated(k, k_start), v, past_kv)


def turned_by(x: Tensor, positions: Tensor) -> Tensor:
    """Each step turned by a position of its own, (batch time) or (time)."""
    angles = positions.to(x).reshape(-1, 1, x.shape[2], 1) / (1 + torch.arange(x.shape[3] // 2)).to(x)
    a, b, rest = x.split([x.shape[3] // 2, x.shape[3] // 2, x.shape[3] % 2], 3)
    return torch.cat([a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos(), rest], 3)


def of_steps(q: Q, k: Q, v: V, past_kv: S | None = None, position_ids: Int[Tensor, "time batch"] | None = None) -> tuple[V, S]:
    """A position of each step of each sequence."""
    positions = torch.arange(q.shape[2]) if position_ids is None else position_ids.T
    return attended(turned_by(q, positions), turned_by(k, positions), v, past_kv)


def of_time(q: Q, k: Q, v: V, past_kv: S | None = None, cache_position: Int[Tensor, "time"] | None = None) -> tuple[V, S]:
    """A position of each step."""
    return of_steps(q, k, v, past_kv, None if cache_position is None else cache_position[:, None])


def of_rows(q: Q, k: Q, v: V, past_kv: S | None = None, seen: Int[Tensor, "batch"] | None = None) -> tuple[V, S]:
    """Each sequence says how many steps it has seen."""
    return of_steps(q, k, v, past_kv, torch.arange(q.shape[2])[:, None] + (torch.zeros(len(q)) if seen is None else seen))


def of_a_tensor(q: Q, k: Q, v: V, past_kv: S | None = None, seen: Int[Tensor, ""] | None = None) -> tuple[V, S]:
    """The number of steps is a tensor without axes."""
    return of_steps(q, k, v, past_kv, torch.arange(q.shape[2])[:, None] + (0 if seen is None else seen))


class Memory:
    """What goes on from call to call."""

    def __init__(self) -> None:
        self.state: Tensor | None = None


def beside_a_cache(q: Q, k: Q, v: V, memory: Annotated[Memory, rnncheck.State(new=Memory)] | None = None, offset: int = 0) -> V:
    """A position and a cache are carried side by side."""
    output, state = retention(q, k, v, memory and memory.state, offset)
    if memory is not None:
        memory.state = state
    return output


def beside_a_list(q: Q, k: Q, v: V, states: list[S] | None = None, offset: int = 0) -> tuple[V, list[S]]:
    """The state is a list."""
    output, state = retention(q, k, v, states and states[0], offset)
    return output, [state]


RIGHT = {
    retention: "offset",
    from_none: "start",
    faded: "begin",
    Rotary: "pos",
    in_pairs: "offset",
    said: "start",
    of_both: "q_start, k_start",
    of_steps: "position_ids",
    of_time: "cache_position",
    of_rows: "seen",
    of_a_tensor: "seen",
    beside_a_cache: "offset",
    beside_a_list: "offset",
}


def position_ignored(q: Q, k: Q, v: V, past_kv: S | None = None, offset: int = 0) -> tuple[V, S]:
    """Each call counts from 0 on."""
    return retention(q, k, v, past_kv)


def queries_alone(q: Q, k: Q, v: V, past_kv: S | None = None, offset: int = 0) -> tuple[V, S]:
    """Keys are counted from 0 on in each call."""
    return attended(rotated(q, offset), rotated(k, 0), v, past_kv)


def one_too_far(q: Q, k: Q, v: V, past_kv: S | None = None, offset: int = 0) -> tuple[V, S]:
    """Where a call goes on, one position is left out."""
    return attended(rotated(q, offset + (offset > 0)), rotated(k, offset), v, past_kv)


def window_lost(x: X, h0: H | None = None, window: int = 2) -> tuple[X, H]:
    """A sum of the last steps begins anew in each call; the option is no position."""
    before = torch.cat([x.new_zeros(len(x), window, x.shape[2]), x], 1)
    x = sum(before[:, i : i + x.shape[1]] for i in range(window + 1))
    return faded(x, h0, 1e9)


def within_a_table(q: Q, k: Q, v: V, past_kv: S | None = None, offset: int = 0) -> tuple[V, S]:
    """Positions end at 3, of what goes on alone."""
    return attended(rotated(q, offset), rotated(k, min(offset, 3)), v, past_kv)


def detached(q: Q, k: Q, v: V, past_kv: S | None = None, offset: int = 0) -> tuple[V, S]:
    """No gradient flows back into the call before."""
    return retention(q, k, v, past_kv.detach() if past_kv is not None and offset else past_kv, offset)


def counted_anew(q: Q, k: Q, v: V, past_kv: S | None = None, position_ids: Int[Tensor, "time batch"] | None = None) -> tuple[V, S]:
    """Positions are counted from the first one of the call on."""
    return of_steps(q, k, v, past_kv, None if position_ids is None else position_ids - position_ids[:1])


def behind_by_one(q: Q, k: Q, v: V, memory: Annotated[Memory, rnncheck.State(new=Memory)] | None = None, offset: int = 0) -> V:
    """Where a call goes on, its position is that of the step before, beside a cache."""
    return beside_a_cache(q, k, v, memory, max(offset - 1, 0))


def cache_lost(q: Q, k: Q, v: V, memory: Annotated[Memory, rnncheck.State(new=Memory)] | None = None, offset: int = 0) -> V:
    """From the sixth step on, the cache is not read any more."""
    return beside_a_cache(q, k, v, memory if offset < 5 else None, offset)


MISTAKES: dict[Callable[..., Any], str] = {
    position_ignored: "time.split",
    queries_alone: "time.split",
    one_too_far: "time.split",
    window_lost: "time.split",
    within_a_table: "cache.pieces",
    detached: "cache.gradient",
    counted_anew: "time.split",
    behind_by_one: "cache.pieces",
    cache_lost: "cache.pieces",
}
