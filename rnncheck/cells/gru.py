"""The gated recurrent unit of Cho et al., in both variants that go by this name.

    r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)          reset gate
    z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)          update gate: what is kept of h
    n = tanh(W_in x + b_in + r * (W_hn h + b_hn))       candidate, reset after the product
    n = tanh(W_in x + b_in + W_hn (r * h) + b_hn)       candidate, reset before the product
    h = (1 - z) * n + z * h

After: the first version of the paper, arXiv:1406.1078v1, torch and cuDNN. Before: its third version, arXiv:1406.1078v3,
and most textbooks. The weights hold the rows of r, z, n in this order, as torch's: weight_ih (3*hidden, input),
weight_hh (3*hidden, hidden). A ``…_step`` takes Wx = W_ih x + b_ih, which a layer computes for all time steps at once;
a ``…_cell`` is the whole equation, checked at its door.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from rnncheck.cells.types import Candidate, Gate, Projected, State
from rnncheck.typechecked import checked


class GRUStep(NamedTuple):
    """Reset gate, update gate, candidate and new state of one step."""

    r: Gate
    z: Gate
    n: Candidate
    h: State

    @property
    def state(self) -> tuple[Tensor, ...]:
        """What the next step starts from: (h,)."""
        return (self.h,)


def gru_reset_after_step(
    Wx: Projected,
    h: State,
    weight_hh: Float[Tensor, "gates hidden"],
    bias_hh: Float[Tensor, " gates"] | None = None,
) -> GRUStep:
    """One step from Wx = W_ih x + b_ih, the reset gate applied to the recurrent product."""
    Wx_r, Wx_z, Wx_n = Wx.chunk(3, dim=-1)
    Uh_r, Uh_z, Uh_n = F.linear(h, weight_hh, bias_hh).chunk(3, dim=-1)
    r = torch.sigmoid(Wx_r + Uh_r)
    z = torch.sigmoid(Wx_z + Uh_z)
    n = torch.tanh(Wx_n + r * Uh_n)
    h = (1 - z) * n + z * h
    return GRUStep(r, z, n, h)


def gru_reset_before_step(
    Wx: Projected,
    h: State,
    weight_hh: Float[Tensor, "gates hidden"],
    bias_hh: Float[Tensor, " gates"] | None = None,
) -> GRUStep:
    """One step from Wx = W_ih x + b_ih, the reset gate applied to the state before the recurrent product."""
    Wx_r, Wx_z, Wx_n = Wx.chunk(3, dim=-1)
    U_r, U_z, U_n = weight_hh.chunk(3)
    b_r, b_z, b_n = (None, None, None) if bias_hh is None else bias_hh.chunk(3)
    r = torch.sigmoid(Wx_r + F.linear(h, U_r, b_r))
    z = torch.sigmoid(Wx_z + F.linear(h, U_z, b_z))
    n = torch.tanh(Wx_n + F.linear(r * h, U_n, b_n))
    h = (1 - z) * n + z * h
    return GRUStep(r, z, n, h)


@checked
def gru_reset_after_cell(
    x: Float[Tensor, "*batch input"],
    h: State,
    weight_ih: Float[Tensor, "3*hidden input"],
    weight_hh: Float[Tensor, "3*hidden hidden"],
    bias_ih: Float[Tensor, " 3*hidden"] | None = None,
    bias_hh: Float[Tensor, " 3*hidden"] | None = None,
) -> GRUStep:
    """The GRU of torch and cuDNN: n = tanh(W_in x + b_in + r * (W_hn h + b_hn)). torch.nn.GRUCell."""
    return gru_reset_after_step(F.linear(x, weight_ih, bias_ih), h, weight_hh, bias_hh)


@checked
def gru_reset_before_cell(
    x: Float[Tensor, "*batch input"],
    h: State,
    weight_ih: Float[Tensor, "3*hidden input"],
    weight_hh: Float[Tensor, "3*hidden hidden"],
    bias_ih: Float[Tensor, " 3*hidden"] | None = None,
    bias_hh: Float[Tensor, " 3*hidden"] | None = None,
) -> GRUStep:
    """The GRU of the textbooks: n = tanh(W_in x + b_in + W_hn (r * h) + b_hn)."""
    return gru_reset_before_step(F.linear(x, weight_ih, bias_ih), h, weight_hh, bias_hh)
