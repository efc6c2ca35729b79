"""Leaky sums with reset flags or masks and one mistake each, and a property that sees it."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Bool, Complex, Float, Int
from torch import Tensor, nn

from tests.typed.right import Modes, by_offsets, diagonal, observed_now_and_then, with_a_skip, with_speaker

X, H, Steps = Float[Tensor, "batch time units"], Float[Tensor, "batch units"], Bool[Tensor, "batch time"]


def leaky_sum(x: Tensor, h: Tensor | None, before: Callable[[int, Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """A leaky sum; before: what becomes of the state before a step."""
    h, outputs = x.new_zeros(x.shape[0], x.shape[2]) if h is None else h, []
    for t in range(x.shape[1]):
        h = 0.5 * before(t, h) + x[:, t]
        outputs.append(h)
    return torch.stack(outputs, 1), h


def reset_one_step_late(x: X, first: Steps | None = None, h0: H | None = None) -> tuple[X, H]:
    """The state is forgotten after the step of the flag."""
    late = None if first is None else torch.cat([first[:, :1] & False, first[:, :-1]], 1)
    return leaky_sum(x, h0, lambda t, h: h if late is None else torch.where(late[:, t, None], 0, h))


def reset_of_the_first_row(x: X, first: Steps | None = None, h0: H | None = None) -> tuple[X, H]:
    """All sequences are reset with the first."""
    return leaky_sum(x, h0, lambda t, h: h if first is None else torch.where(first[:1, t, None], 0, h))


def speaker_forgotten(x: X, speaker: H, first: Steps | None = None, h0: H | None = None) -> tuple[X, H]:
    """A flag forgets what the sequence has for all of its steps as well."""
    known = torch.ones_like(x[:, 0, :1]) if first is None else 1 - first.any(1, keepdim=True).to(x.dtype)
    reset = torch.zeros_like(x[:, :, 0], dtype=torch.bool) if first is None else first
    return leaky_sum(x + (known * speaker)[:, None], h0, lambda t, h: torch.where(reset[:, t, None], 0, h))


def reset_not_of_the_initial_state(x: X, first: Steps | None = None, h0: H | None = None) -> tuple[X, H]:
    """A flag at the first step leaves the initial state."""
    return leaky_sum(x, h0, lambda t, h: h if first is None or t == 0 else torch.where(first[:, t, None], 0, h))


def reset_leaves_a_little(x: X, first: Steps | None = None, h0: H | None = None) -> tuple[X, H]:
    """A hundredth of the state outlives a reset."""
    return leaky_sum(x, h0, lambda t, h: h if first is None else torch.where(first[:, t, None], 0.01 * h, h))


def reset_of_its_own_step_too(x: X, first: Steps | None = None, h0: H | None = None) -> tuple[X, H]:
    """The state is forgotten after a flagged step was added to it, which the step puts out."""
    kept = torch.ones_like(x[:, :, :1]) if first is None else 1 - first.to(x.dtype)[:, :, None]
    return leaky_sum(x * kept, h0, lambda t, h: h * kept[:, t])


def reset_not_backward(x: X, first: Steps | None = None, h0: H | None = None) -> tuple[X, H]:
    """Backward does not know of the flags."""

    def before(t: int, h: Tensor) -> Tensor:
        return h if first is None else h + (torch.where(first[:, t, None], 0, h) - h).detach()

    return leaky_sum(x, h0, before)


def mask_ignored_in_a_batch_of_one(x: X, mask: Steps | None = None, h0: H | None = None) -> tuple[X, H]:
    """A single sequence is taken to have no padding."""
    if mask is None or len(x) == 1:
        return leaky_sum(x, h0, lambda t, h: h)
    h, outputs = x.new_zeros(x.shape[0], x.shape[2]) if h0 is None else h0, []
    for t in range(x.shape[1]):
        h = torch.where(mask[:, t, None], 0.5 * h + x[:, t], h)
        outputs.append(h)
    return torch.stack(outputs, 1), h


def first_without_steps_forgotten(
    x: Float[Tensor, "1 time units"], cu_seqlens: Int[Tensor, " sequences+1"], h0: Float[Tensor, "sequences units"] | None = None
) -> tuple[Float[Tensor, "1 time units"], Float[Tensor, "sequences units"]]:
    """Sequences lie end to end; the first loses its state where it has no steps."""
    output, h = by_offsets(x, cu_seqlens, h0)
    return output, torch.cat([h[:1] * (cu_seqlens[1] > 0), h[1:]])


def one_state_of_another_type(x: X, h0: H | None = None, last: H | None = None) -> tuple[X, H, H]:
    """The second state comes back in single precision."""
    output, h = leaky_sum(x, h0, lambda t, h: h)
    return output, h, x[:, -1].to(torch.float32 if x.dtype == torch.float64 else torch.float64)


def speaker_of_the_first_row(x: X, speaker: H, h0: H | None = None) -> tuple[X, H]:
    """Every sequence has the first one's speaker."""
    return with_speaker(x, speaker[:1].expand_as(speaker), h0)


def state_conjugated(
    x: X, rates: Complex[Tensor, " modes"], into: Complex[Tensor, "units modes"], h0: Modes | None = None
) -> tuple[X, Modes]:
    """The state comes back as its complex conjugate."""
    output, h = diagonal(x, rates, into, h0)
    return output, h.conj()


def two_states_in_one_tensor(x: X, h0: H | None = None, last: H | None = None) -> tuple[X, H, H]:
    """The state and the last output are one tensor."""
    output, h = leaky_sum(x, h0, lambda t, h: h)
    return output, h, h


def second_state_ignored(x: X, h0: H | None = None, total: H | None = None) -> tuple[X, H, H]:
    """The second state comes back, and what it was before is not read."""
    output, h = leaky_sum(x, h0, lambda t, h: h)
    return output, h, x.sum(1)


class SecondStateOverwritten(nn.Module):
    """In inference the second state is a buffer that the next call writes over."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.weight, self.kept = nn.Parameter(torch.ones(units)), {}

    def forward(self, x: X, h0: H | None = None, total: H | None = None) -> tuple[X, H, H]:
        output, h = leaky_sum(x * self.weight, h0, lambda t, h: h)
        total = x.sum(1) + (0 if total is None else total)
        if not torch.is_grad_enabled():
            total = self.kept.setdefault((total.shape, total.dtype), torch.empty_like(total)).copy_(total)
        return output, h, total


class BiasWithoutAStateOnly(nn.Module):
    """Its bias is zero at first, and left out where a state is given."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Linear(hidden_size, hidden_size, bias=False), nn.Parameter(torch.zeros(hidden_size))

    def forward(self, x: X, h0: H | None = None) -> tuple[X, H]:
        x = torch.sigmoid(self.weight(x) + (self.bias if h0 is None else 0))
        return leaky_sum(x, h0, lambda t, h: h)


def observed_with_the_others(x: X, seen: Steps, h0: H | None = None) -> tuple[X, H]:
    """What one sequence observes counts for all of them."""
    return observed_now_and_then(x, seen.any(0, keepdim=True).expand_as(seen), h0)


def observed_in_any_case_at_first(x: X, seen: Steps, h0: H | None = None) -> tuple[X, H]:
    """The first step of each call counts as observed."""
    return observed_now_and_then(x, torch.cat([seen[:, :1] | True, seen[:, 1:]], 1), h0)


def skip_of_sequences(x: X, skip: Float[Tensor, " units"] | None = None, h0: H | None = None) -> tuple[X, H]:
    """The weights of units are those of sequences, where there are as many."""
    if skip is None or len(x) != x.shape[2]:
        return with_a_skip(x, skip, h0)
    output, h = with_a_skip(x, None, h0)
    return output + skip[:, None, None] * x, h


def batch_without_a_skip(x: X, skip: Float[Tensor, " units"] | None = None, h0: H | None = None) -> tuple[X, H]:
    """Without weights for the input, it is the mean of all sequences."""
    return with_a_skip(x - x.mean(0) if skip is None else x, skip, h0)


class DecaysOfSequences(nn.Module):
    """Each head has its decay, which is that of a sequence where there are as many sequences as heads."""

    def __init__(self) -> None:
        super().__init__()
        self.num_heads, self.head_dim = 6, 2
        self.decay = nn.Parameter(torch.linspace(0.2, 0.8, 6))

    def forward(
        self,
        x: Float[Tensor, "batch time {self.num_heads} {self.head_dim}"],
        h0: Float[Tensor, "batch {self.num_heads} {self.head_dim}"] | None = None,
    ) -> tuple[
        Float[Tensor, "batch time {self.num_heads} {self.head_dim}"], Float[Tensor, "batch {self.num_heads} {self.head_dim}"]
    ]:
        decay = self.decay[:, None, None] if len(x) == self.num_heads else self.decay[:, None]
        return leaky_sum(x, x.new_zeros(len(x), *x.shape[2:]) if h0 is None else h0, lambda t, h: decay * h)


decays_of_sequences = DecaysOfSequences()

MISTAKES: dict[Any, str] = {
    skip_of_sequences: "batch.alone",
    batch_without_a_skip: "batch.alone",
    observed_with_the_others: "batch.alone",
    observed_in_any_case_at_first: "time.split",
    BiasWithoutAStateOnly: "state.default_is_zero",
    speaker_of_the_first_row: "batch.alone",
    state_conjugated: "time.split",
    second_state_ignored: "state.used",
    SecondStateOverwritten: "state.fresh",
    two_states_in_one_tensor: "layout.no_alias",
    speaker_forgotten: "time.reset",
    reset_one_step_late: "time.reset",
    reset_of_the_first_row: "time.reset",
    reset_not_of_the_initial_state: "time.reset",
    reset_leaves_a_little: "time.reset",
    reset_of_its_own_step_too: "time.reset",
    reset_not_backward: "time.reset",
    mask_ignored_in_a_batch_of_one: "lengths.module",
    first_without_steps_forgotten: "lengths.zero",
    one_state_of_another_type: "shape.dtype_device",
}
