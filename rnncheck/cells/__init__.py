"""The recurrent cells as pure functions that read like the equations and return every gate."""

from rnncheck.cells.elman import (
    ElmanStep,
    elman_relu_cell,
    elman_relu_step,
    elman_tanh_cell,
    elman_tanh_step,
)
from rnncheck.cells.gru import (
    GRUStep,
    gru_reset_after_cell,
    gru_reset_after_step,
    gru_reset_before_cell,
    gru_reset_before_step,
)
from rnncheck.cells.lstm import LSTMStep, lstm_cell, lstm_projected_cell, lstm_projected_step, lstm_step
from rnncheck.cells.types import Candidate, Features, Gate, Projected, State

__all__ = [
    "Candidate",
    "ElmanStep",
    "Features",
    "GRUStep",
    "Gate",
    "LSTMStep",
    "Projected",
    "State",
    "elman_relu_cell",
    "elman_relu_step",
    "elman_tanh_cell",
    "elman_tanh_step",
    "gru_reset_after_cell",
    "gru_reset_after_step",
    "gru_reset_before_cell",
    "gru_reset_before_step",
    "lstm_cell",
    "lstm_projected_cell",
    "lstm_projected_step",
    "lstm_step",
]
