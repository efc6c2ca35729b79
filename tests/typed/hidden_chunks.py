"""Recurrences in chunks and scans of sizes that nothing tells, and the same with one mistake each."""

from typing import Annotated, Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

import rnncheck

X = Float[Tensor, "batch time units"]
Decay = Annotated[X, rnncheck.Values(low=0.0, high=1.0)]
H = Float[Tensor, "batch units"]


def scanned(x: Tensor, decay: Tensor, left_out: tuple[int, ...] = ()) -> Tensor:
    """h[t] = decay[t] * h[t-1] + x[t] from 0 on, in as many levels as the number of steps has digits; some may be left out."""
    level = 1
    while level < x.shape[1]:
        if level not in left_out:
            x, decay = (
                x + decay * pad(x, (0, 0, level, 0))[:, : x.shape[1]],
                decay * pad(decay, (0, 0, level, 0), value=1.0)[:, : x.shape[1]],
            )
        level *= 2
    return x


def start(x: Tensor, h0: Tensor | None) -> Tensor:
    """The state that was given, or zeros."""
    return x.new_zeros(x.shape[0], x.shape[2]) if h0 is None else h0


def by_scan(x: X, decay: Decay, h0: H | None = None) -> tuple[X, H]:
    """All levels."""
    output = scanned(x, decay) + decay.cumprod(1) * start(x, h0)[:, None]
    return output, output[:, -1]


def without_level_8(x: X, decay: Decay, h0: H | None = None) -> tuple[X, H]:
    """Sums of eight steps and more lack what lies eight steps back."""
    output = scanned(x, decay, (8,)) + decay.cumprod(1) * start(x, h0)[:, None]
    return output, output[:, -1]


def without_level_128(x: X, decay: Decay, h0: H | None = None) -> tuple[X, H]:
    """The same of 128 steps."""
    output = scanned(x, decay, (128,)) + decay.cumprod(1) * start(x, h0)[:, None]
    return output, output[:, -1]


def swept(x: Tensor, decay: Tensor, lost: bool = False) -> Tensor:
    """The same by a sweep up and one down a tree of as many leaves as the next power of two; lost: the last but one in the end."""
    steps = x.shape[1]
    leaves = 1 << max(0, steps - 1).bit_length()
    x, decay = (list(pad(part, (0, 0, 0, leaves - steps)).unbind(1)) for part in (x, decay))
    levels = [(2 * width - 1, width) for width in (2**n for n in range(leaves.bit_length() - 1))]
    levels += [(3 * width - 1, width) for _, width in reversed(levels)]
    for first, width in levels:
        for i in range(first, leaves, 2 * width):
            if not (lost and width == 1 and i == leaves - 2 > 8):
                x[i], decay[i] = x[i] + decay[i] * x[i - width], decay[i] * decay[i - width]
    return torch.stack(x[:steps], 1)


def by_tree(x: X, decay: Decay, h0: H | None = None) -> tuple[X, H]:
    """A scan as Blelloch has it."""
    output = swept(x, decay) + decay.cumprod(1) * start(x, h0)[:, None]
    return output, output[:, -1]


def by_tree_without_the_last_but_one(x: X, decay: Decay, h0: H | None = None) -> tuple[X, H]:
    """The last leaf but one is left out of the sweep down: wrong where steps are a power of two, or one fewer."""
    output = swept(x, decay, lost=True) + decay.cumprod(1) * start(x, h0)[:, None]
    return output, output[:, -1]


def in_chunks_of(size: int, x: Tensor, decay: Tensor, h: Tensor, between: Any = lambda h, place: h) -> tuple[Tensor, Tensor]:
    """One scan a chunk; between two chunks the state is what ``between`` makes of it, given the number of chunks before."""
    outputs = []
    for place, (part, rate) in enumerate(zip(x.split(size, 1), decay.split(size, 1), strict=True)):
        h = between(h, place) if place else h
        outputs.append(scanned(part, rate) + rate.cumprod(1) * h[:, None])
        h = outputs[-1][:, -1]
    return torch.cat(outputs, 1), h


def in_chunks(x: X, decay: Decay, h0: H | None = None) -> tuple[X, H]:
    """Chunks of 64 steps."""
    return in_chunks_of(64, x, decay, start(x, h0))


def lost_at_every_second_edge(x: X, decay: Decay, h0: H | None = None) -> tuple[X, H]:
    """The state is lost in front of each second chunk of 64 steps."""
    return in_chunks_of(64, x, decay, start(x, h0), lambda h, place: h * (place % 2))


def lost_after_128(x: X, decay: Decay, h0: H | None = None) -> tuple[X, H]:
    """A chunk of 128 steps begins with half of the state that the one before ended with."""
    return in_chunks_of(128, x, decay, start(x, h0), lambda h, place: h / 2)


def gradient_cut_at_16(x: X, decay: Decay, h0: H | None = None) -> tuple[X, H]:
    """No gradient flows from one chunk of 16 steps to the one before."""
    return in_chunks_of(16, x, decay, start(x, h0), lambda h, place: h.detach())


class Memory:
    """What goes on from call to call."""

    def __init__(self) -> None:
        self.h: Tensor | None = None


Kept = Annotated[Memory, rnncheck.State(new=Memory)]


def kept(x: X, decay: Decay, memory: Kept | None = None) -> X:
    """A cache takes the last state."""
    output, h = in_chunks_of(32, x, decay, start(x, memory and memory.h))
    if memory is not None:
        memory.h = h
    return output


def kept_from_whole_chunks(x: X, decay: Decay, memory: Kept | None = None) -> X:
    """A cache takes the state of the last whole chunk of 32 steps, if there is one."""
    output, h = in_chunks_of(32, x, decay, start(x, memory and memory.h))
    if memory is not None:
        memory.h = output[:, x.shape[1] // 32 * 32 - 1] if x.shape[1] > 32 else h
    return output


def kept_by_tree_without_the_last_but_one(x: X, decay: Decay, memory: Kept | None = None) -> X:
    """A cache takes the last state of such a scan."""
    output, h = by_tree_without_the_last_but_one(x, decay, start(x, memory and memory.h))
    if memory is not None:
        memory.h = h
    return output


RIGHT = (by_scan, by_tree, in_chunks, kept)
MISTAKES = {
    without_level_8: "time.prefill",
    without_level_128: "time.prefill",
    by_tree_without_the_last_but_one: "time.prefill",
    lost_at_every_second_edge: "time.step_by_step",
    lost_after_128: "time.prefill",
    gradient_cut_at_16: "gradient.split",
    kept_from_whole_chunks: "cache.steps",
    kept_by_tree_without_the_last_but_one: "cache.steps",
}
