"""The simple recurrent network of Elman, "Finding structure in time" (Cognitive Science 14, 1990).

    h = tanh(W_ih x + b_ih + W_hh h + b_hh)        or relu instead of tanh

A ``…_step`` takes Wx, the input's part W_ih x + b_ih, which a layer computes for all time steps at once; a ``…_cell``
is the whole equation, checked at its door. Sizes are torch's: weight_ih (hidden, input), weight_hh (hidden, hidden).
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from rnncheck.cells.types import State
from rnncheck.typechecked import checked


class ElmanStep(NamedTuple):
    """The new state h: in [-1, 1] with tanh, not below 0 with relu."""

    h: State

    @property
    def state(self) -> tuple[Tensor, ...]:
        """What the next step starts from: (h,)."""
        return (self.h,)


def elman_tanh_step(
    Wx: State,
    h: State,
    weight_hh: Float[Tensor, "hidden hidden"],
    bias_hh: Float[Tensor, " hidden"] | None = None,
) -> ElmanStep:
    """One step of the tanh network from Wx = W_ih x + b_ih."""
    h = torch.tanh(Wx + F.linear(h, weight_hh, bias_hh))
    return ElmanStep(h)


def elman_relu_step(
    Wx: State,
    h: State,
    weight_hh: Float[Tensor, "hidden hidden"],
    bias_hh: Float[Tensor, " hidden"] | None = None,
) -> ElmanStep:
    """One step of the relu network from Wx = W_ih x + b_ih."""
    h = torch.relu(Wx + F.linear(h, weight_hh, bias_hh))
    return ElmanStep(h)


@checked
def elman_tanh_cell(
    x: Float[Tensor, "*batch input"],
    h: State,
    weight_ih: Float[Tensor, "hidden input"],
    weight_hh: Float[Tensor, "hidden hidden"],
    bias_ih: Float[Tensor, " hidden"] | None = None,
    bias_hh: Float[Tensor, " hidden"] | None = None,
) -> ElmanStep:
    """h = tanh(W_ih x + b_ih + W_hh h + b_hh): torch.nn.RNNCell."""
    return elman_tanh_step(F.linear(x, weight_ih, bias_ih), h, weight_hh, bias_hh)


@checked
def elman_relu_cell(
    x: Float[Tensor, "*batch input"],
    h: State,
    weight_ih: Float[Tensor, "hidden input"],
    weight_hh: Float[Tensor, "hidden hidden"],
    bias_ih: Float[Tensor, " hidden"] | None = None,
    bias_hh: Float[Tensor, " hidden"] | None = None,
) -> ElmanStep:
    """h = relu(W_ih x + b_ih + W_hh h + b_hh): torch.nn.RNNCell(nonlinearity="relu")."""
    return elman_relu_step(F.linear(x, weight_ih, bias_ih), h, weight_hh, bias_hh)
