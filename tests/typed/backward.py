"""Leaky sums that read a sequence from its end, always or where an option says so; right ones, and ones with a mistake."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tests.typed.mistaken_flags import leaky_sum

X, H = Float[Tensor, "batch time units"], Float[Tensor, "batch units"]


def summed(x: Tensor, h0: Tensor | None) -> tuple[Tensor, Tensor]:
    """The leaky sum from the first step on."""
    return leaky_sum(x, h0, lambda _, h: h)


def from_the_end(x: X, h0: H | None = None, reverse: bool = False) -> tuple[X, H]:
    """From the last step on where ``reverse`` is said."""
    y, h = summed(x.flip(1) if reverse else x, h0)
    return (y.flip(1) if reverse else y), h


def always_from_the_end(x: X, h0: H | None = None) -> tuple[X, H]:
    """From the last step on, as where returns are summed."""
    return from_the_end(x, h0, True)


def by_direction(x: X, h0: H | None = None, direction: Literal["backward", "forward"] = "backward") -> tuple[X, H]:
    """From the last step on unless an option says otherwise."""
    return from_the_end(x, h0, direction == "backward")


def ragged_from_the_end(
    x: X, lengths: Int[Tensor, " batch"] | None = None, h0: H | None = None, reverse: bool = False
) -> tuple[X, H]:
    """Each sequence from its own last step on."""
    h, outputs = x.new_zeros(x.shape[0], x.shape[2]) if h0 is None else h0, []
    for t in reversed(range(x.shape[1])) if reverse else range(x.shape[1]):
        new = 0.5 * h + x[:, t]
        h = new if lengths is None else torch.where((t < lengths)[:, None], new, h)
        outputs.append(h)
    return torch.stack(outputs[::-1] if reverse else outputs, 1), h


def by_fourier(x: X) -> X:
    """From the last step on, in float32 alone: rounding spreads over all steps."""
    if x.dtype == torch.float64:
        raise TypeError("float64 is not supported")
    steps = x.shape[1]
    weights = torch.fft.rfft(0.5 ** torch.arange(steps).to(x), 2 * steps)[:, None]
    return torch.fft.irfft(torch.fft.rfft(x.flip(1), 2 * steps, dim=1) * weights, 2 * steps, dim=1)[:, :steps].flip(1)


RIGHT = (from_the_end, always_from_the_end, by_direction, ragged_from_the_end)


def output_not_turned_back(x: X, h0: H | None = None, reverse: bool = False) -> tuple[X, H]:
    """The input alone is turned."""
    return summed(x.flip(1) if reverse else x, h0)


def input_not_turned(x: X, h0: H | None = None, reverse: bool = False) -> tuple[X, H]:
    """The output alone is turned."""
    y, h = summed(x, h0)
    return (y.flip(1) if reverse else y), h


def state_ignored_from_the_end(x: X, h0: H | None = None, reverse: bool = False) -> tuple[X, H]:
    """From the last step on no state is taken."""
    return from_the_end(x, None if reverse else h0, reverse)


def state_of_the_last_step(x: X, h0: H | None = None, reverse: bool = False) -> tuple[X, H]:
    """The state that comes back is that of the last step, which is read first."""
    y, _ = from_the_end(x, h0, reverse)
    return y, y[:, -1]


def padding_read_first(
    x: X, lengths: Int[Tensor, " batch"] | None = None, h0: H | None = None, reverse: bool = False
) -> tuple[X, H]:
    """From the end, the padding is read before the sequence."""
    return ragged_from_the_end(x, None if reverse else lengths, h0, reverse)


MISTAKES: dict[Callable[..., Any], str] = {
    output_not_turned_back: "time.split",
    input_not_turned: "time.split",
    state_ignored_from_the_end: "time.split",
    state_of_the_last_step: "time.split",
    padding_read_first: "lengths.each_alone",
}


def option_ignored(x: X, h0: H | None = None, reverse: bool = False) -> tuple[X, H]:
    """From the first step on, whatever is said, which only a reference tells."""
    return summed(x, h0)


def plain(x: X, h0: H | None = None) -> tuple[X, H]:
    """From the first step on, without an option."""
    return summed(x, h0)


def both_ways(x: X, h0: Float[Tensor, "2 batch units"] | None = None) -> tuple[
        Float[Tensor, "batch time units 2"], Float[Tensor, "2 batch units"]]:  # fmt: skip
    """From both ends, the outputs beside each other."""
    ahead, h = summed(x, None if h0 is None else h0[0])
    back, b = from_the_end(x, None if h0 is None else h0[1], True)
    return torch.stack([ahead, back], -1), torch.stack([h, b])


def next_step_in_one_of_two(x: X, h0: H | None = None) -> tuple[Float[Tensor, "batch time units 2"], H]:
    """Beside the sum, what depends on the next step as well."""
    y, h = summed(x, h0)
    return torch.stack([y, y + torch.cat([y[:, 1:], y[:, :1]], 1)], -1), h
