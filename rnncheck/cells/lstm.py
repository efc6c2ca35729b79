"""Long short-term memory with a forget gate (Hochreiter and Schmidhuber 1997; Gers et al. 2000).

    i = sigmoid(W_ii x + b_ii + W_hi h + b_hi)      input gate: what is written
    f = sigmoid(W_if x + b_if + W_hf h + b_hf)      forget gate: what is kept of c
    g = tanh(W_ig x + b_ig + W_hg h + b_hg)         candidate
    o = sigmoid(W_io x + b_io + W_ho h + b_ho)      output gate: what is shown
    c = f * c + i * g
    h = o * tanh(c)
    h = W_hr h                                      with a projection (Sak et al., arXiv:1402.1128)

The weights hold the rows of i, f, g, o in this order, as torch's: weight_ih (4*hidden, input), weight_hh (4*hidden,
features), weight_hr (features, hidden), where features = hidden without a projection. A ``…_step`` takes
Wx = W_ih x + b_ih, which a layer computes for all time steps at once; a ``…_cell`` is the whole equation, checked at
its door.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from rnncheck.cells.types import Candidate, Features, Gate, Projected, State
from rnncheck.typechecked import checked


class LSTMStep(NamedTuple):
    """Input gate, forget gate, candidate, output gate, new cell state and new (projected) hidden state of one step."""

    i: Gate
    f: Gate
    g: Candidate
    o: Gate
    c: State
    h: Features

    @property
    def state(self) -> tuple[Tensor, ...]:
        """What the next step starts from: (h, c)."""
        return (self.h, self.c)


def lstm_step(
    Wx: Projected,
    h: Features,
    c: State,
    weight_hh: Float[Tensor, "gates features"],
    bias_hh: Float[Tensor, " gates"] | None = None,
) -> LSTMStep:
    """One step from Wx = W_ih x + b_ih; h comes out with all its hidden units."""
    a_i, a_f, a_g, a_o = (Wx + F.linear(h, weight_hh, bias_hh)).chunk(4, dim=-1)
    i = torch.sigmoid(a_i)
    f = torch.sigmoid(a_f)
    g = torch.tanh(a_g)
    o = torch.sigmoid(a_o)
    c = f * c + i * g
    h = o * torch.tanh(c)
    return LSTMStep(i, f, g, o, c, h)


def lstm_projected_step(
    Wx: Projected,
    h: Features,
    c: State,
    weight_hh: Float[Tensor, "gates features"],
    bias_hh: Float[Tensor, " gates"] | None,
    weight_hr: Float[Tensor, "features hidden"],
) -> LSTMStep:
    """One step from Wx = W_ih x + b_ih; h comes out projected."""
    step = lstm_step(Wx, h, c, weight_hh, bias_hh)
    return step._replace(h=F.linear(step.h, weight_hr))


@checked
def lstm_cell(
    x: Float[Tensor, "*batch input"],
    h: State,
    c: State,
    weight_ih: Float[Tensor, "4*hidden input"],
    weight_hh: Float[Tensor, "4*hidden hidden"],
    bias_ih: Float[Tensor, " 4*hidden"] | None = None,
    bias_hh: Float[Tensor, " 4*hidden"] | None = None,
) -> LSTMStep:
    """The LSTM of torch and cuDNN: torch.nn.LSTMCell."""
    return lstm_step(F.linear(x, weight_ih, bias_ih), h, c, weight_hh, bias_hh)


@checked
def lstm_projected_cell(
    x: Float[Tensor, "*batch input"],
    h: Features,
    c: State,
    weight_ih: Float[Tensor, "4*hidden input"],
    weight_hh: Float[Tensor, "4*hidden features"],
    bias_ih: Float[Tensor, " 4*hidden"] | None,
    bias_hh: Float[Tensor, " 4*hidden"] | None,
    weight_hr: Float[Tensor, "features hidden"],
) -> LSTMStep:
    """The LSTM with a recurrent projection: one step of torch.nn.LSTM(proj_size=features)."""
    return lstm_projected_step(F.linear(x, weight_ih, bias_ih), h, c, weight_hh, bias_hh, weight_hr)
