"""Running a step along time, over sequences of equal and of different lengths alike.

``inputs[t]`` holds the sequences that are alive at time t, (batch_t, gates), the longest first: batch_t never grows,
as in a PackedSequence. Sequences of equal length are the case batch_t = batch.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

State = tuple[Tensor, ...]
"""(h,) or (h, c), each (batch, features)."""


@runtime_checkable
class Step(Protocol):
    """What a step returns: the new state, and whatever else its cell computed."""

    @property
    def state(self) -> State: ...

    @property
    def h(self) -> Tensor: ...


STATE = "h", "c"
"""The fields of a step that make its state. They are read one by one: torch 2.6 compiles no property of a named tuple."""

S = TypeVar("S", bound=Step)
Kept = TypeVar("Kept")


def scan_forward(
    step: Callable[..., S], inputs: Sequence[Tensor], state: State, keep: Callable[[S], Kept]
) -> tuple[list[Kept], State]:
    """``step(inputs[t], *state)`` for t = 0, 1, …: what ``keep`` takes of each step, and each sequence's last state.

    A sequence that has ended leaves at the end of the batch; its state waits in ``ended``.
    """
    kept: list[Kept] = []
    ended: list[State] = []
    for x in inputs:
        alive = x.size(0)
        if alive < state[0].size(0):
            ended.append(tuple(s[alive:] for s in state))
            state = tuple(s[:alive] for s in state)
        taken = step(x, *state)
        state = tuple(getattr(taken, name) for name in STATE[: len(state)])
        kept.append(keep(taken))
    if ended:
        state = tuple(torch.cat(parts) for parts in zip(state, *reversed(ended), strict=True))
    return kept, state


def scan_reverse(
    step: Callable[..., S], inputs: Sequence[Tensor], state: State, keep: Callable[[S], Kept]
) -> tuple[list[Kept], State]:
    """The same from the last time step to the first; what is kept is returned in the order of ``inputs``.

    A sequence enters, with its own initial state, at its own last step.
    """
    kept: list[Kept] = []
    initial = state
    state = tuple(s[: inputs[-1].size(0)] for s in initial)
    for x in reversed(inputs):
        alive, before = x.size(0), state[0].size(0)
        if alive > before:
            state = tuple(torch.cat([s, s_0[before:alive]]) for s, s_0 in zip(state, initial, strict=True))
        taken = step(x, *state)
        state = tuple(getattr(taken, name) for name in STATE[: len(state)])
        kept.append(keep(taken))
    return kept[::-1], state
