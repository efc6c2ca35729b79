"""Leaky sums whose state has the type of another argument."""

from jaxtyping import Float
from torch import Tensor

from tests.typed.right import Alone, Units, X, by_lengths, without_batch

H = Float[Tensor, "batch units"]


def left_out(x: Alone, decay: Units, level: Units | None = None) -> tuple[Alone, Units]:
    return without_batch(x, decay, level)


def short(x: Alone, decay: Units, h: Units) -> tuple[Alone, Units]:
    return without_batch(x, decay, h)


def beside_a_speaker(x: X, speaker: H, h: H) -> tuple[X, H]:
    output, last = by_lengths(x, None, h)
    return output + speaker[:, None], last


def not_told_apart(x: Alone, decay: Units, level: Units) -> tuple[Alone, Units]:
    return without_batch(x, decay, level)
