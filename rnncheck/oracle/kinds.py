"""The equations of each kind, with the sizes of their rounding errors."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from torch import Tensor

from rnncheck.core import kinds
from rnncheck.core.config import Config
from rnncheck.core.kinds import Kind
from rnncheck.oracle import elman, gru, lstm
from rnncheck.oracle.backward_errors import Gradients, Variances
from rnncheck.oracle.equations import Step
from rnncheck.oracle.error_size import Sizes
from rnncheck.oracle.forward_errors import Errors
from rnncheck.oracle.trace import LayerTrace, Trace


def h_alone(h: Tensor, trace: Trace) -> Tensor:
    """Return what U multiplies for each gate: h, as it is."""
    return h[None]


class Equations(NamedTuple):
    """What the oracle knows of a kind.

    step:       one time step
    errors:     the standard deviation of the rounding errors at each place, from the truth's own values
    backward:   the variances of those of the backward pass by place, and of the gradients of the states that each step
                started from, by letter
    multiplied: what U multiplies for each gate, (gates or 1, time, copies, batch, states), from the h before each step
    """

    step: Step
    errors: Callable[[LayerTrace, Sizes], Errors]
    backward: Callable[[LayerTrace, Gradients, Sizes], tuple[Variances, Variances]]
    multiplied: Callable[[Tensor, Trace], Tensor] = h_alone


EQUATIONS: Mapping[Kind, Equations] = {
    kinds.RNN_TANH: Equations(elman.rnn_tanh, elman.errors, elman.backward_variances),
    kinds.RNN_RELU: Equations(elman.rnn_relu, elman.errors, elman.backward_variances),
    kinds.GRU: Equations(gru.reset_after, gru.errors_reset_after, gru.backward_reset_after),
    kinds.GRU_RESET_BEFORE: Equations(
        gru.reset_before, gru.errors_reset_before, gru.backward_reset_before, gru.multiplied_reset_before
    ),
    kinds.LSTM: Equations(lstm.step, lstm.errors, lstm.backward_variances),
}


def equations_of(config: Config) -> Equations:
    """Return the equations of a configuration."""
    return EQUATIONS[config.kind]
