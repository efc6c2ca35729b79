"""Linear attention that takes whole chunks of steps alone, right and with one mistake each."""

from collections.abc import Callable
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

import rnncheck

X, Y = Float[Tensor, "batch time key"], Float[Tensor, "batch time value"]
S, H = Float[Tensor, "batch key value"], Float[Tensor, "batch key"]

Carry = Callable[[Tensor, Tensor, int], Tensor]


def carried(state: Tensor, added: Tensor, place: int) -> Tensor:
    """The state behind a chunk."""
    return state + added


def attended(
    q: Tensor, k: Tensor, v: Tensor, state: Tensor | None, chunk: int, carry: Carry = carried, ahead: int = 0
) -> tuple[Y, S]:
    """One product of matrices a chunk; each step sees itself, those before, and ``ahead`` behind."""
    state, outputs = q.new_zeros(len(q), q.shape[2], v.shape[2]) if state is None else state, []
    parts = [x.unflatten(1, (-1, chunk)).unbind(1) for x in (q, k, v)]
    for place, (one, key, value) in enumerate(zip(*parts, strict=True)):
        outputs.append(one @ state + (one @ key.transpose(1, 2)).tril(ahead) @ value)
        state = carry(state, key.transpose(1, 2) @ value, place)
    return torch.cat(outputs, 1), state


def loop(q: X, k: X, v: Y, state: S | None = None) -> tuple[Y, S]:
    """The same step by step, of any number of steps."""
    state, outputs = q.new_zeros(len(q), q.shape[2], v.shape[2]) if state is None else state, []
    for t in range(q.shape[1]):
        state = state + k[:, t, :, None] * v[:, t, None]
        outputs.append((q[:, t, None] @ state)[:, 0])
    return torch.stack(outputs, 1), state


def of_four(q: X, k: X, v: Y, state: S | None = None) -> tuple[Y, S]:
    """It says which numbers of steps it takes."""
    assert q.shape[1] % 4 == 0, "the number of steps must be a multiple of 4"
    return attended(q, k, v, state, 4)


def of_sixty_four(q: X, k: X, v: Y, state: S | None = None) -> tuple[Y, S]:
    """It does not say it, and torch does."""
    return attended(q, k, v, state, 64)


def by_option(q: X, k: X, v: Y, state: S | None = None, chunk_size: Literal[2, 3] = 2) -> tuple[Y, S]:
    """Each value of an option takes other numbers of steps."""
    return attended(q, k, v, state, chunk_size)


def eight_at_least(q: X, k: X, v: Y, state: S | None = None) -> tuple[Y, S]:
    """It takes any number of steps from 8 on."""
    assert q.shape[1] >= 8, "8 steps at least"
    return loop(q, k, v, state)


def eight_alone(q: X, k: X, v: Y, state: S | None = None) -> tuple[Y, S]:
    """It takes one number of steps."""
    assert q.shape[1] == 8, "8 steps and no others"
    return loop(q, k, v, state)


def of_six(q: X, k: X, v: Y, state: S | None = None) -> tuple[Y, S]:
    """It takes multiples of another number."""
    return attended(q, k, v, state, 6)


def or_one(q: X, k: X, v: Y, state: S | None = None) -> tuple[Y, S]:
    """It takes a single step, too, as after a prompt."""
    return loop(q, k, v, state) if q.shape[1] == 1 else attended(q, k, v, state, 4)


def or_one_late(q: X, k: X, v: Y, state: S | None = None) -> tuple[Y, S]:
    """Wrong: a single step that goes on from a state reads the state of before."""
    output, last = or_one(q, k, v, state)
    return output if state is None or q.shape[1] > 1 else q @ state, last


def unhalved(x: X, gate: X, h0: H | None = None) -> tuple[X, H]:
    """Leaky sums, step by step."""
    h, outputs = torch.zeros_like(x[:, 0]) if h0 is None else h0, []
    for t in range(x.shape[1]):
        h = torch.sigmoid(gate[:, t]) * h + x[:, t]
        outputs.append(h)
    return torch.stack(outputs, 1), h


def halved(gate: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """What is left of the state behind each step, and what is added: pairs of steps are taken as one, again and again."""
    if x.shape[1] == 1:
        return gate, x
    (first_gate, gate), (first, x) = (part.unflatten(1, (-1, 2)).unbind(2) for part in (gate, x))
    whole_gate, whole = halved(first_gate * gate, gate * first + x)
    rest_gate, rest = first_gate[:, 1:] * whole_gate[:, :-1], first_gate[:, 1:] * whole[:, :-1] + first[:, 1:]
    firsts = torch.cat([first_gate[:, :1], rest_gate], 1), torch.cat([first[:, :1], rest], 1)
    return torch.stack([firsts[0], whole_gate], 2).flatten(1, 2), torch.stack([firsts[1], whole], 2).flatten(1, 2)


def halving(x: X, gate: X, h0: H | None = None) -> tuple[X, H]:
    """A scan over a tree takes powers of two."""
    assert x.shape[1].bit_count() == 1, "the number of steps must be a power of two"
    left, added = halved(torch.sigmoid(gate), x)
    y = added if h0 is None else added + left * h0[:, None]
    return y, y[:, -1]


def halving_pairs(x: X, gate: X, h0: H | None = None) -> tuple[X, H]:
    """It takes no single step."""
    assert x.shape[1] > 1 and x.shape[1].bit_count() == 1, "the number of steps must be a power of two, 2 at least"
    return halving(x, gate, h0)


def of_six_steps(x: X, gate: X, h0: H | None = None) -> tuple[X, H]:
    """The loop, of steps of which no number is a power of two."""
    assert x.shape[1] % 6 == 0, "the number of steps must be a multiple of 6"
    return unhalved(x, gate, h0)


def without_the_state(x: X, gate: X, h0: H | None = None) -> tuple[X, H]:
    """With more than four steps, the state that it returns leaves out the one that it was given."""
    y, h = halving(x, gate, h0)
    return y, h if x.shape[1] <= 4 else halving(x, gate)[1]


class Memory:
    """What goes on from call to call."""

    def __init__(self) -> None:
        self.state: Tensor | None = None


Kept = Annotated[Memory, rnncheck.State(new=Memory)]


def kept(q: X, k: X, v: Y, memory: Kept | None = None) -> Y:
    """A cache goes on between chunks, and in single steps."""
    output, state = or_one(q, k, v, memory and memory.state)
    if memory is not None:
        memory.state = state
    return output


def kept_from_chunks(q: X, k: X, v: Y, memory: Kept | None = None) -> Y:
    """Wrong: a single step does not reach the cache."""
    output, state = or_one(q, k, v, memory and memory.state)
    if memory is not None and q.shape[1] > 1:
        memory.state = state
    return output


def looking_ahead(q: X, k: X, v: Y, state: S | None = None) -> tuple[Y, S]:
    """A step sees the next one of its chunk."""
    return attended(q, k, v, state, 4, ahead=1)


def cut(q: X, k: X, v: Y, state: S | None = None) -> tuple[Y, S]:
    """No gradient flows from one chunk to the one before."""
    return attended(q, k, v, state, 4, lambda state, added, place: state.detach() + added)


def lost(q: X, k: X, v: Y, state: S | None = None) -> tuple[Y, S]:
    """The third chunk begins without what the first one left."""
    return attended(q, k, v, state, 4, lambda state, added, place: added if place == 1 else state + added)


class Attention(nn.Module):
    """A module with a form in chunks."""

    carry: Carry = staticmethod(carried)

    def __init__(self, input_size: int, hidden: int, in_chunks: bool = False) -> None:
        super().__init__()
        self.qkv, self.in_chunks = nn.Linear(input_size, 3 * hidden), in_chunks

    def forward(
        self, x: Float[Tensor, "batch time input_size"], state: Float[Tensor, "batch hidden hidden"] | None = None
    ) -> tuple[Float[Tensor, "batch time hidden"], Float[Tensor, "batch hidden hidden"]]:
        q, k, v = self.qkv(x).chunk(3, 2)
        return self.run(q, k, v, state)

    def run(self, q: Tensor, k: Tensor, v: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        return attended(q, k, v, state, 4, self.carry) if self.in_chunks else loop(q, k, v, state)

    rnncheck_forms = {"in chunks": {"in_chunks": True}}


class Halved(Attention):
    """In chunks, half of a state is lost at the second edge."""

    carry: Carry = staticmethod(lambda state, added, place: (state + added) / (1 + (place == 1)))


class InFours(Attention):
    """Both of its forms take whole chunks, of four steps and of six."""

    def run(self, q: Tensor, k: Tensor, v: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        return attended(q, k, v, state, 6 if self.in_chunks else 4)


class Halving(nn.Module):
    """A module with a form that takes powers of two."""

    rnncheck_mode, rnncheck_forms = "other", {"in chunks": {"as_tree": True}}

    def __init__(self, input_size: int, hidden: int, as_tree: bool = False) -> None:
        super().__init__()
        self.weights, self.as_tree = nn.Linear(input_size, 2 * hidden), as_tree

    def forward(
        self, x: Float[Tensor, "batch time input_size"], state: Float[Tensor, "batch hidden"] | None = None
    ) -> tuple[Float[Tensor, "batch time hidden"], Float[Tensor, "batch hidden"]]:
        y, gate = self.weights(x).chunk(2, 2)
        return halving(y, gate, state) if self.as_tree else unhalved(y, gate, state)


class HalvingSixes(Halving):
    """In its own form it takes sixes."""

    def forward(
        self, x: Float[Tensor, "batch time input_size"], state: Float[Tensor, "batch hidden"] | None = None
    ) -> tuple[Float[Tensor, "batch time hidden"], Float[Tensor, "batch hidden"]]:
        assert self.as_tree or x.shape[1] % 6 == 0, "the number of steps must be a multiple of 6"
        return super().forward(x, state)


def in_pairs(q: X, k: X, v: Y, state: S | None = None) -> tuple[Y, S]:
    """No odd number of steps can be laid out in pairs: an error of torch's that is of no length."""
    return loop(*(torch.stack([x[:, ::2], x[:, 1::2]], 2).flatten(1, 2) for x in (q, k, v)), state)


def at_most_four(q: X, k: X, v: Y, state: S | None = None) -> tuple[Y, S]:
    """Fewer steps than a chunk has are a chunk of their own."""
    return attended(q, k, v, state, min(4, q.shape[1]))


RIGHT = {of_four: 4, of_sixty_four: 64, by_option: 6, or_one: 4, loop: 1, in_pairs: 2}


def keys_not_padded(q: X, k: X, v: Y, state: S | None = None) -> tuple[Y, S]:
    """The last chunk of keys is not filled up, so that a product fails where there is more than one step."""
    steps, padded = q.shape[1], (torch.nn.functional.pad(x, (0, 0, 0, -q.shape[1] % 4)) for x in (q, k, v))
    q, filled, v = padded
    output, state = attended(q, filled * (k != 0), v, state, 4)
    return output[:, :steps], state


def rest_beside(q: X, k: X, v: Y, state: S | None = None) -> tuple[Y, S]:
    """The outputs of a last part are put beside the others, and not behind them."""
    whole = q.shape[1] // 4 * 4
    if whole in (0, q.shape[1]):
        return loop(q, k, v, state)
    first, state = attended(q[:, :whole], k[:, :whole], v[:, :whole], state, 4)
    rest, state = loop(q[:, whole:], k[:, whole:], v[:, whole:], state)
    return torch.cat([first, rest], 2), state


def rest_dropped(q: X, k: X, v: Y, state: S | None = None) -> tuple[Y, S]:
    """A last part of a chunk is left out, and no output is of it."""
    whole = q.shape[1] // 4 * 4
    return loop(q[:, :whole], k[:, :whole], v[:, :whole], state)


CRASHES = (keys_not_padded, rest_beside, rest_dropped)
MISTAKES = {
    looking_ahead: "time.causal",
    cut: "gradient.through_final_state",
    lost: "time.step_by_step",
    without_the_state: "time.split",
    or_one_late: "time.prefill",
    kept_from_chunks: "cache.steps",
}
