"""Recurrences that are right, of the kinds that types can describe."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

import torch
from jaxtyping import Bool, Complex, Float, Int, Shaped
from torch import Tensor, nn

import rnncheck

X, H = Float[Tensor, "batch time units"], Float[Tensor, "batch units"]


class HeadNorm(nn.Module):
    """Averages per head, over all steps so far; a module with a nested state, an option, and a weight that begins as ones."""

    def __init__(self, input_size: int, hidden_size: int, num_heads: int = 2) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.num_heads = input_size, hidden_size, num_heads
        self.into, self.weight = nn.Linear(input_size, num_heads * hidden_size), nn.Parameter(torch.ones(hidden_size))

    def forward(
        self, x: Float[Tensor, "batch time input"], state: "HeadState | None" = None, scaled: bool = False
    ) -> "tuple[Float[Tensor, 'batch time heads*hidden'], HeadState]":
        shape = (len(x), self.num_heads, self.hidden_size)
        total, count = state or HeadState(x.new_zeros(shape), x.new_zeros(shape[:2]))
        outputs = []
        for t in range(x.shape[1]):
            total, count = total + self.into(x[:, t]).view(shape), 0.5 * count + 1
            y = total / (1 + count.square())[..., None] * self.weight
            outputs.append((y / 2 if scaled else y).flatten(1))
        return torch.stack(outputs, 1), HeadState(total, count)


class HeadState(NamedTuple):
    total: Float[Tensor, "batch heads hidden"]
    count: Float[Tensor, "batch heads"]


module = HeadNorm(3, 4)


def by_lengths(x: X, lengths: Int[Tensor, " batch"] | None = None, h0: H | None = None) -> tuple[X, H]:
    """A leaky sum that stops where a sequence ends."""
    h, outputs = x.new_zeros(x.shape[0], x.shape[2]) if h0 is None else h0, []
    for t in range(x.shape[1]):
        new = 0.5 * h + x[:, t]
        h = new if lengths is None else torch.where((t < lengths)[:, None], new, h)
        outputs.append(h)
    return torch.stack(outputs, 1), h


LeftPadded = Annotated[Bool[Tensor, "batch time"], rnncheck.Mask(padding="left")]


def by_mask(x: X, attention_mask: LeftPadded, h0: H | None = None) -> tuple[X, H]:
    """The same, with a mask of sequences that are padded on the left."""
    h, outputs = x.new_zeros(x.shape[0], x.shape[2]) if h0 is None else h0, []
    for t in range(x.shape[1]):
        h = torch.where(attention_mask[:, t, None], 0.5 * h + x[:, t], h)
        outputs.append(h)
    return torch.stack(outputs, 1), h


Flat, Rows = Float[Tensor, "1 time units"], Float[Tensor, "sequences units"]


def by_offsets(x: Flat, cu_seqlens: Int[Tensor, " sequences+1"], h0: Rows | None = None) -> tuple[Flat, Rows]:
    """The same, with sequences laid end to end."""
    count = len(cu_seqlens) - 1
    start, outputs, finals = x.new_zeros(count, x.shape[2]) if h0 is None else h0, [], []
    for i in range(count):
        h = start[i]
        for t in range(int(cu_seqlens[i]), int(cu_seqlens[i + 1])):
            h = 0.5 * h + x[0, t]
            outputs.append(h)
        finals.append(h)
    return torch.stack(outputs)[None] if outputs else x, torch.stack(finals) if finals else start


class Carry(TypedDict):
    fast: H
    slow: H


@dataclass
class Pair:
    fast: Annotated[H, rnncheck.State()]
    slow: H


class SplitIntoHeads(nn.Module):
    """Linear attention whose constructor takes the features of all heads together."""

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads, self.head_dim = num_heads, embed_dim // num_heads
        self.into = nn.Linear(embed_dim, 3 * embed_dim)

    def forward(
        self, x: Float[Tensor, "batch time heads*head_dim"], state: Float[Tensor, "batch heads head_dim head_dim"] | None = None
    ) -> tuple[Float[Tensor, "batch time heads*head_dim"], Float[Tensor, "batch heads head_dim head_dim"]]:
        q, k, v = self.into(x).view(*x.shape[:2], 3, self.num_heads, self.head_dim).unbind(2)
        h = q.new_zeros(len(x), self.num_heads, self.head_dim, self.head_dim) if state is None else state
        outputs = []
        for t in range(x.shape[1]):
            h = 0.5 * h + k[:, t, :, :, None] * v[:, t, :, None]
            outputs.append((q[:, t, :, :, None] * h).sum(-2).flatten(1))
        return torch.stack(outputs, 1), h


def two_speeds(x: X, carry: Carry | None = None, rate: Literal[0.5, 0.25] = 0.5) -> tuple[X, Carry]:
    """Two leaky sums in a dict."""
    zero = x.new_zeros(x.shape[0], x.shape[2])
    fast, slow = (zero, zero) if carry is None else (carry["fast"], carry["slow"])
    outputs = []
    for t in range(x.shape[1]):
        fast, slow = rate * fast + x[:, t], 0.9 * slow + x[:, t]
        outputs.append(fast - slow)
    return torch.stack(outputs, 1), {"fast": fast, "slow": slow}


def in_a_dataclass(x: X, state: Pair | None = None) -> tuple[X, Pair]:
    """The same in a dataclass."""
    output, carry = two_speeds(x, None if state is None else {"fast": state.fast, "slow": state.slow})
    return output, Pair(**carry)


Alone, Units = Float[Tensor, "time units"], Float[Tensor, " units"]


def without_batch(x: Alone, decay: Units, h0: Units | None = None) -> tuple[Alone, Units]:
    """One sequence alone, with a parameter."""
    h, outputs = torch.zeros_like(decay) if h0 is None else h0, []
    for step in x:
        h = torch.sigmoid(decay) * h + step
        outputs.append(h)
    return torch.stack(outputs), h


def delta_step(
    state: Float[Tensor, "batch key value"], k: Float[Tensor, "batch key"], v: Float[Tensor, "batch value"],
    beta: Annotated[Float[Tensor, " batch"], rnncheck.Values(low=0.0, high=1.0)],
) -> tuple[Float[Tensor, "batch key value"], Float[Tensor, "batch value"]]:  # fmt: skip
    """One step of the delta rule, with a key of length 1."""
    k = k / (k.square().sum(-1, keepdim=True) + 1).sqrt()
    read = (k[:, :, None] * state).sum(1)
    state = state + (beta[:, None] * k)[:, :, None] * (v - read)[:, None]
    return state, (k[:, :, None] * state).sum(1)


delta_rule = rnncheck.scan(delta_step)


def untyped(q, k, v, u, initial_state=None):
    state = q.new_zeros(q.shape[0], q.shape[2], v.shape[2]) if initial_state is None else initial_state
    outputs = []
    for t in range(q.shape[1]):
        state = torch.sigmoid(u)[:, None] * state + k[:, t, :, None] * v[:, t, None]
        outputs.append((q[:, t, :, None] * state).sum(1))
    return torch.stack(outputs, 1), state


Variance = Annotated[H, rnncheck.Values(low=0.1, high=0.5)]


def leaving_its_bounds(x: X, variance: Variance | None = None) -> tuple[X, H]:
    """A filter whose variance begins between bounds and grows beyond them."""
    p, outputs = x.new_zeros(x.shape[0], x.shape[2]) if variance is None else variance, []
    for t in range(x.shape[1]):
        p = 0.9 * (p + 1)
        outputs.append(p.sqrt() * x[:, t])
    return torch.stack(outputs, 1), p


Key, Value, Matrix = Float[Tensor, "b t key"], Float[Tensor, "b t value"], Float[Tensor, "b key value"]


def stub(q: Key, k: Key, v: Value, u: Float[Tensor, " key"], initial_state: Matrix | None = None) -> tuple[Value, Matrix]: ...


def stub_with_body(q: Key, k: Key, v: Value, u: Float[Tensor, " key"], initial_state: Matrix | None = None) -> tuple[Value, Matrix]:
    """The types of ``untyped``, and what is to come out."""
    return untyped(q, k, v, u, initial_state)


def resettable(x: X, first: Bool[Tensor, "batch time"] | None = None, h0: H | None = None) -> tuple[X, H]:
    """A leaky sum that begins anew where a flag says so."""
    h, outputs = x.new_zeros(x.shape[0], x.shape[2]) if h0 is None else h0, []
    for t in range(x.shape[1]):
        h = h if first is None else torch.where(first[:, t, None], 0, h)
        h = 0.5 * h + x[:, t]
        outputs.append(h)
    return torch.stack(outputs, 1), h


def with_beginnings_of_their_own(x: X, first: Bool[Tensor, "batch time"], h0: H | None = None) -> tuple[X, H]:
    """A mean that takes the whole input where a flag says that a sequence begins, as an RG-LRU does."""
    h, outputs = x.new_zeros(x.shape[0], x.shape[2]) if h0 is None else h0, []
    for t in range(x.shape[1]):
        h = torch.where(first[:, t, None], x[:, t], 0.75 * h + 0.25 * x[:, t])
        outputs.append(h)
    return torch.stack(outputs, 1), h


def observed_now_and_then(x: X, seen: Bool[Tensor, "batch time"], h0: H | None = None) -> tuple[X, H]:
    """A level that takes a step where something was observed, and fades where not."""
    h, outputs = x.new_zeros(x.shape[0], x.shape[2]) if h0 is None else h0, []
    for t in range(x.shape[1]):
        h = torch.where(seen[:, t, None], 0.5 * h + torch.tanh(x[:, t]), 0.9 * h)
        outputs.append(h)
    return torch.stack(outputs, 1), h


def with_a_skip(x: X, skip: Units | None = None, h0: H | None = None) -> tuple[X, H]:
    """A leaky sum, and the input beside it with weights that may be left out."""
    h, outputs = x.new_zeros(x.shape[0], x.shape[2]) if h0 is None else h0, []
    for t in range(x.shape[1]):
        h = 0.5 * h + x[:, t]
        outputs.append(h if skip is None else h + skip * x[:, t])
    return torch.stack(outputs, 1), h


def of_episodes(
    x: X, done: Annotated[Float[Tensor, "batch time 1"], rnncheck.Reset(after=True)], h0: H | None = None
) -> tuple[X, H]:
    """The same, where a flag says that an episode ends with its step."""
    h, outputs = x.new_zeros(x.shape[0], x.shape[2]) if h0 is None else h0, []
    for t in range(x.shape[1]):
        outputs.append(0.5 * h + x[:, t])
        h = outputs[-1] * (1 - done[:, t])
    return torch.stack(outputs, 1), h


def counting(x: X, h0: H | None = None, count: Int[Tensor, " batch"] | None = None) -> tuple[X, H, Int[Tensor, " batch"]]:
    """A leaky sum that takes every other step twice, and counts in whole numbers."""
    h, outputs = x.new_zeros(x.shape[0], x.shape[2]) if h0 is None else h0, []
    count = torch.zeros(len(x), dtype=torch.int64, device=x.device) if count is None else count
    for t in range(x.shape[1]):
        h = 0.5 * h + x[:, t] * (1 + count % 2)[:, None]
        outputs.append(h)
        count = count + 1
    return torch.stack(outputs, 1), h, count


def by_the_clock(x: X, clock: Float[Tensor, " batch"] | None = None) -> tuple[X, Float[Tensor, " batch"]]:
    """A step that depends on a count of steps, which is a real number in the state."""
    n = x.new_zeros(len(x)) if clock is None else clock
    outputs = []
    for t in range(x.shape[1]):
        outputs.append(torch.where((torch.remainder(n.detach().round(), 3) == 0)[:, None], x[:, t], x[:, t].tanh()))
        n = n + 1
    return torch.stack(outputs, 1), n


def rotation(x: X, angle: Units, h0: Float[Tensor, "batch units 2"] | None = None) -> tuple[X, Float[Tensor, "batch units 2"]]:
    """A complex state, in and out as pairs of real numbers."""
    h = x.new_zeros(len(x), x.shape[2], 2) if h0 is None else h0
    h, outputs = torch.view_as_complex(h.contiguous()), []
    for t in range(x.shape[1]):
        h = h * torch.polar(torch.full_like(angle, 0.9), angle) + x[:, t]
        outputs.append(h.real)
    return torch.stack(outputs, 1), torch.view_as_real(h)


Modes = Complex[Tensor, "batch modes"]


def diagonal(
    x: X, rates: Complex[Tensor, " modes"], into: Complex[Tensor, "units modes"], h0: Modes | None = None
) -> tuple[X, Modes]:
    """Complex modes with a complex state, as in diagonal state spaces."""
    h, outputs = torch.zeros(len(x), len(rates), dtype=rates.dtype, device=x.device) if h0 is None else h0, []
    for t in range(x.shape[1]):
        h = h * torch.exp(-rates.real.abs() + 1j * rates.imag) + x[:, t].to(into.dtype) @ into
        outputs.append((h @ into.mH).real)
    return torch.stack(outputs, 1), h


def with_speaker(
    x: Shaped[Tensor, "batch time units"], speaker: Shaped[Tensor, "batch units"], h0: Shaped[Tensor, "batch units"] | None = None
) -> tuple[Shaped[Tensor, "batch time units"], Shaped[Tensor, "batch units"]]:
    """A leaky sum with something that each sequence has for all of its steps."""
    h, outputs = x.new_zeros(x.shape[0], x.shape[2]) if h0 is None else h0, []
    for t in range(x.shape[1]):
        h = 0.5 * h + torch.tanh(x[:, t] + speaker)
        outputs.append(h)
    return torch.stack(outputs, 1), h


def with_speaker_and_flags(x: X, speaker: H, first: Bool[Tensor, "batch time"] | None = None, h0: H | None = None) -> tuple[X, H]:
    """The same, where a flag forgets the sum and not the speaker."""
    h, outputs = torch.zeros_like(speaker) if h0 is None else h0, []
    for t in range(x.shape[1]):
        h = h if first is None else torch.where(first[:, t, None], 0, h)
        h = 0.5 * h + torch.tanh(x[:, t] + speaker)
        outputs.append(h)
    return torch.stack(outputs, 1), h


def above_a_bound(
    x: X, bound: Annotated[Float[Tensor, " units"], rnncheck.Values(low=0.0, high=0.9)], h0: H | None = None
) -> tuple[X, H]:
    """A sum that forgets no more than a learned bound allows, which moves by less than a digit of bfloat16."""
    h, outputs = torch.zeros_like(x[:, 0]) if h0 is None else h0, []
    for t in range(x.shape[1]):
        keep = bound + (1 - bound) * torch.sigmoid(x[:, t])
        h = keep * h + (1 - keep) * x[:, t]
        outputs.append(h)
    return torch.stack(outputs, 1), h


def of_unit_variance(
    x: X, kept: Annotated[X, rnncheck.Values(low=0.0, high=1.0)], h0: H | None = None
) -> tuple[X, H]:  # fmt: skip
    """An average whose variance stays: its root has no slope where all is kept, and nothing is kept at exactly 0."""
    h, outputs = torch.zeros_like(x[:, 0]) if h0 is None else h0, []
    for t in range(x.shape[1]):
        h = kept[:, t] * h + (1 - kept[:, t].square()).sqrt() * x[:, t]
        outputs.append(h)
    return torch.stack(outputs, 1), h


def added_in_place(x: X, h0: H | None = None) -> tuple[X, H]:
    """A leaky sum whose state is added to zeros in place, which torch.vmap refuses where it maps over the state."""
    h, outputs = torch.zeros(len(x), x.shape[2]).to(x), []
    if h0 is not None:
        h += h0
    for t in range(x.shape[1]):
        h = 0.5 * h + x[:, t]
        outputs.append(h)
    return torch.stack(outputs, 1), h


def forecasting(x: X, level: H | None = None) -> tuple[X, H]:
    """A smoothed level that is returned before a step is known."""
    h, outputs = torch.zeros_like(x[:, 0]) if level is None else level, []
    for t in range(x.shape[1]):
        outputs.append(h)
        h = 0.5 * h + 0.5 * x[:, t]
    return torch.stack(outputs, 1), h


def in_logarithms(x: X, log_h0: H | None = None) -> tuple[X, H]:
    """A leaky sum of exponentials that begins from a uniform state: one that is not zero."""
    h, outputs = torch.full_like(x[:, 0], -0.7) if log_h0 is None else log_h0, []
    for t in range(x.shape[1]):
        h = torch.logaddexp(h - 0.5, x[:, t])
        outputs.append(h)
    return torch.stack(outputs, 1), h.clone()


def with_integral(error: X, integral: H | None = None, previous_state: H | None = None) -> tuple[X, H, H]:
    """A controller with two states of one type, of which the second is called one."""
    zero, outputs = error.new_zeros(error.shape[0], error.shape[2]), []
    total, last = zero if integral is None else integral, zero if previous_state is None else previous_state
    for t in range(error.shape[1]):
        total, change, last = 0.9 * total + error[:, t], error[:, t] - last, error[:, t]
        outputs.append(total + change)
    return torch.stack(outputs, 1), total, last.clone()


RIGHT: dict[str, dict[str, Any]] = {
    "in_logarithms": {}, "with_integral": {},
    "diagonal": {}, "with_speaker": {},
    "observed_now_and_then": {}, "with_a_skip": {},
    "resettable": {}, "with_beginnings_of_their_own": {}, "of_episodes": {}, "counting": {}, "by_the_clock": {}, "rotation": {},
    "leaving_its_bounds": {}, "with_speaker_and_flags": {}, "forecasting": {}, "above_a_bound": {},
    "of_unit_variance": {}, "added_in_place": {},
    "HeadNorm": {}, "SplitIntoHeads": {}, "module": {}, "by_lengths": {}, "by_mask": {}, "by_offsets": {}, "two_speeds": {},
    "in_a_dataclass": {},
    "without_batch": {}, "delta_rule": {}, "untyped": {"typed": "tests/typed/right.py:stub"},
}  # fmt: skip


def scan_of() -> Any:
    """The delta rule over a whole sequence."""
    return delta_rule
