"""Gated linear attention with one mistake each, as people make them; `tests/typed/test_mistaken.py` says what sees them."""

import torch

from examples.gated_linear_attention import Chunk, Decays, Keys, Outputs, State, chunked, loop, parallel, start


def state_ignored_at_chunk_edge(
    q: Keys, k: Keys, v: Outputs, log_decay: Decays, initial_state: State | None = None, chunk_size: Chunk = 16
) -> tuple[Outputs, State]:
    """Each chunk begins with the initial state."""
    outputs, state = [], start(q, v, initial_state)
    for first in range(0, q.shape[1], chunk_size):
        part = slice(first, first + chunk_size)
        output, last = parallel(q[:, part], k[:, part], v[:, part], log_decay[:, part], initial_state)
        outputs.append(output)
    return torch.cat(outputs, 1), last if q.shape[1] else state


def state_lost_at_every_second_edge(
    q: Keys, k: Keys, v: Outputs, log_decay: Decays, initial_state: State | None = None, chunk_size: Chunk = 16
) -> tuple[Outputs, State]:
    """After two chunks the state is zero."""
    state, outputs = initial_state, []
    for first in range(0, q.shape[1], chunk_size):
        part = slice(first, first + chunk_size)
        state = None if first and first % (2 * chunk_size) == 0 else state
        output, state = parallel(q[:, part], k[:, part], v[:, part], log_decay[:, part], state)
        outputs.append(output)
    return torch.cat(outputs, 1), start(q, v, state)


def state_without_decay(
    q: Keys, k: Keys, v: Outputs, log_decay: Decays, initial_state: State | None = None, chunk_size: Chunk = 16
) -> tuple[Outputs, State]:
    """What was before a chunk is not decayed through it."""
    outputs, state = [], start(q, v, initial_state)
    for first in range(0, q.shape[1], chunk_size):
        part = slice(first, first + chunk_size)
        output, _ = parallel(q[:, part], k[:, part], v[:, part], log_decay[:, part], state)
        added = parallel(q[:, part], k[:, part], v[:, part], log_decay[:, part])[1]
        state = state + added
        outputs.append(output)
    return torch.cat(outputs, 1), state


def last_step_of_chunk_lost(
    q: Keys, k: Keys, v: Outputs, log_decay: Decays, initial_state: State | None = None, chunk_size: Chunk = 16
) -> tuple[Outputs, State]:
    """The state at the end of a chunk lacks its last step, if another chunk follows."""
    outputs, state = [], start(q, v, initial_state)
    for first in range(0, q.shape[1], chunk_size):
        part = slice(first, first + chunk_size)
        output, whole = parallel(q[:, part], k[:, part], v[:, part], log_decay[:, part], state)
        short = slice(first, first + chunk_size - 1)
        follows = first + chunk_size < q.shape[1]
        state = parallel(q[:, short], k[:, short], v[:, short], log_decay[:, short], state)[1] if follows else whole
        outputs.append(output)
    return torch.cat(outputs, 1), state


def final_state_detached(
    q: Keys, k: Keys, v: Outputs, log_decay: Decays, initial_state: State | None = None
) -> tuple[Outputs, State]:
    """No gradient flows through the final state."""
    output, state = loop(q, k, v, log_decay, initial_state)
    return output, state.detach()


def initial_state_detached(
    q: Keys, k: Keys, v: Outputs, log_decay: Decays, initial_state: State | None = None
) -> tuple[Outputs, State]:
    """No gradient reaches the initial state."""
    return loop(q, k, v, log_decay, None if initial_state is None else initial_state.detach())


def decay_gradient_without_state(
    q: Keys, k: Keys, v: Outputs, log_decay: Decays, initial_state: State | None = None
) -> tuple[Outputs, State]:
    """The gradient of the decays lacks what comes through the final state."""
    return loop(q, k, v, log_decay, initial_state)[0], loop(q, k, v, log_decay.detach(), initial_state)[1]


def rows_mixed_where_batch_is_heads(
    q: Keys, k: Keys, v: Outputs, log_decay: Decays, initial_state: State | None = None
) -> tuple[Outputs, State]:
    """The state's axes are put right by their sizes, which are the same now and then."""
    if initial_state is not None and initial_state.shape[0] == q.shape[2]:
        initial_state = initial_state.reshape(q.shape[2], q.shape[0], *initial_state.shape[2:]).transpose(0, 1)
    return loop(q, k, v, log_decay, initial_state)


def initial_state_written_into(
    q: Keys, k: Keys, v: Outputs, log_decay: Decays, initial_state: State | None = None
) -> tuple[Outputs, State]:
    """The first decay is applied to the caller's tensor."""
    if initial_state is None or torch.is_grad_enabled():
        return loop(q, k, v, log_decay, initial_state)
    initial_state *= 1.0
    initial_state += 0.5
    return loop(q, k, v, log_decay, initial_state - 0.5)


def state_of_one_step_written_into(
    q: Keys, k: Keys, v: Outputs, log_decay: Decays, initial_state: State | None = None
) -> tuple[Outputs, State]:
    """Step by step, without gradients, the new state takes the place of the caller's."""
    output, state = loop(q, k, v, log_decay, initial_state)
    if initial_state is None or torch.is_grad_enabled() or q.shape[1] != 1:
        return output, state
    return output, initial_state.copy_(state)


def initial_state_ignored(
    q: Keys, k: Keys, v: Outputs, log_decay: Decays, initial_state: State | None = None
) -> tuple[Outputs, State]:
    """The initial state is never used."""
    return loop(q, k, v, log_decay)


def state_of_one_step_ignored(
    q: Keys, k: Keys, v: Outputs, log_decay: Decays, initial_state: State | None = None
) -> tuple[Outputs, State]:
    """A single step has a path of its own, which takes no state."""
    return loop(q, k, v, log_decay, initial_state if q.shape[1] > 1 else None)


def state_dropped_for_several_steps(
    q: Keys, k: Keys, v: Outputs, log_decay: Decays, initial_state: State | None = None
) -> tuple[Outputs, State]:
    """A cached state is dropped when several steps are given at once."""
    return loop(q, k, v, log_decay, initial_state if q.shape[1] == 1 else None)


def remainder_padded_with_decay(
    q: Keys, k: Keys, v: Outputs, log_decay: Decays, initial_state: State | None = None, chunk_size: Chunk = 16
) -> tuple[Outputs, State]:
    """Time is padded to whole chunks with a decay that is not 1."""
    missing = -q.shape[1] % chunk_size
    q, k, v, log_decay = (torch.cat([x, x.new_full((x.shape[0], missing, *x.shape[2:]), value)], 1)
                          for x, value in ((q, 0.0), (k, 0.0), (v, 0.0), (log_decay, -0.1)))  # fmt: skip
    output, state = chunked(q, k, v, log_decay, initial_state, chunk_size)
    return output[:, : output.shape[1] - missing], state


def gradient_missing_in_remainder(
    q: Keys, k: Keys, v: Outputs, log_decay: Decays, initial_state: State | None = None, chunk_size: Chunk = 16
) -> tuple[Outputs, State]:
    """The decays of the last chunk have no gradient where it is not a whole one."""
    whole = q.shape[1] // chunk_size * chunk_size
    log_decay = torch.cat([log_decay[:, :whole], log_decay[:, whole:].detach()], 1)
    return chunked(q, k, v, log_decay, initial_state, chunk_size)


class _OnceDifferentiable(torch.autograd.Function):
    """Squares; its gradient is made of numbers that no longer know where they come from."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return (2 * x.detach() * g).detach()


def second_derivative_missing(x: Outputs) -> Outputs:
    """The gradient cannot be differentiated, and nothing says so."""
    return _OnceDifferentiable.apply(x)


def decays_divided(q: Keys, k: Keys, v: Outputs, log_decay: Decays, initial_state: State | None = None) -> tuple[Outputs, State]:
    """All steps at once, each key divided by the decays up to it: as numbers they overflow where decays are strong."""
    state, total = start(q, v, initial_state), log_decay.cumsum(1)
    later = torch.ones(q.shape[1], q.shape[1], dtype=torch.bool, device=q.device).tril()
    attention = torch.einsum("bthk,bshk->btsh", q * total.exp(), k * (-total).exp()).masked_fill(~later[..., None], 0.0)
    output = torch.einsum("btsh,bshv->bthv", attention, v) + torch.einsum("bthk,bhkv->bthv", q * total.exp(), state)
    return output, parallel(q, k, v, log_decay, initial_state)[1]


MISTAKES = {
    state_ignored_at_chunk_edge: "time.split",
    state_lost_at_every_second_edge: "time.split",
    state_without_decay: "time.split",
    last_step_of_chunk_lost: "time.split",
    final_state_detached: "gradient.numerical",
    initial_state_detached: "gradient.numerical",
    decay_gradient_without_state: "gradient.numerical",
    rows_mixed_where_batch_is_heads: "time.split",
    initial_state_written_into: "layout.no_mutation",
    state_of_one_step_written_into: "layout.no_mutation",
    initial_state_ignored: "time.split",
    state_of_one_step_ignored: "time.split",
    state_dropped_for_several_steps: "time.split",
    remainder_padded_with_decay: "time.split",
    gradient_missing_in_remainder: "gradient.split",
    decays_divided: "numeric.finite",
}
"""Each mistake, and a property that sees it."""
