"""Gated linear attention in three forms that compute the same: step by step, in chunks, and all at once.

rnncheck verify examples/gated_linear_attention.py:loop
rnncheck verify examples/gated_linear_attention.py:chunked --against examples/gated_linear_attention.py:loop
"""

from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

import rnncheck

Keys = Float[Tensor, "batch time heads key"]
Outputs = Float[Tensor, "batch time heads value"]
State = Float[Tensor, "batch heads key value"]
Decays = Annotated[Keys, rnncheck.Values(high=0.0)]
Chunk = Annotated[int, rnncheck.Options(4, 16)]


def loop(q: Keys, k: Keys, v: Outputs, log_decay: Decays, initial_state: State | None = None) -> tuple[Outputs, State]:
    """One step after the other: state = decay * state + k v, output = q state."""
    state = start(q, v, initial_state)
    outputs = []
    for t in range(q.shape[1]):
        state = log_decay[:, t, ..., None].exp() * state + k[:, t, ..., None] * v[:, t, :, None]
        outputs.append((q[:, t, ..., None] * state).sum(-2))
    return torch.stack(outputs, 1), state


def chunked(
    q: Keys, k: Keys, v: Outputs, log_decay: Decays, initial_state: State | None = None, chunk_size: Chunk = 16
) -> tuple[Outputs, State]:
    """A chunk at a time: inside all at once, from one to the next by the state."""
    state = start(q, v, initial_state)
    outputs = []
    for first in range(0, q.shape[1], chunk_size):
        part = slice(first, first + chunk_size)
        output, state = parallel(q[:, part], k[:, part], v[:, part], log_decay[:, part], state)
        outputs.append(output)
    return torch.cat(outputs, 1), state


def parallel(q: Keys, k: Keys, v: Outputs, log_decay: Decays, initial_state: State | None = None) -> tuple[Outputs, State]:
    """All steps at once: every step looks back at all before it, each as far decayed as it is long ago."""
    state = start(q, v, initial_state)
    total = log_decay.cumsum(1)
    steps = torch.arange(q.shape[1], device=q.device)
    later = (steps[:, None] >= steps)[..., None, None]
    since = (total[:, :, None] - total[:, None]).masked_fill(~later, -torch.inf)
    attention = torch.einsum("bthk,bshk,btshk->btsh", q, k, since.exp())
    output = torch.einsum("btsh,bshv->bthv", attention, v) + torch.einsum("bthk,bhkv->bthv", q * total.exp(), state)
    left = (total[:, -1:] - total).exp()
    return output, total[:, -1, ..., None].exp() * state + torch.einsum("bthk,bthv->bhkv", left * k, v)


def start(q: Tensor, v: Tensor, initial_state: Tensor | None) -> Tensor:
    """Return the initial state, zeros where none is given."""
    zero = q.new_zeros(q.shape[0], q.shape[2], q.shape[3], v.shape[3])
    return zero if initial_state is None else initial_state
