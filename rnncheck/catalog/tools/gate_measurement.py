"""The gates of a black box: measured from single steps alone, by setting parameters and states.

    LSTM   c' = f c + i g, h' = o tanh(c')      f  c' / c, with i saturated to 0
                                                o  h' / tanh(c')
                                                i  c' at c = 0, with g saturated to 1
                                                g  c' at c = 0, with i saturated to 1
    GRU    h' = (1 - z) n + z h                 z  n saturated to 1 and to -1: the results are 2 (1 - z) apart
                                                n  h' with z saturated to 0
                                                r  n = tanh(r h) where the candidate sees nothing but h
    RNN    h' is the candidate itself

What the gates themselves are made of (matmuls, sigmoids) is in the measured value. Only what is computed after them
can blur the measurement: a few products, sums and one stored result, each of one unit roundoff u.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from rnncheck.catalog.tools.follow_ups import exact
from rnncheck.core import kinds
from rnncheck.core.config import Config
from rnncheck.core.kinds import Kind
from rnncheck.core.property import Condition
from rnncheck.running.trial import Trial

SATURATED = 1000.0
"""A pre-activation whose sigmoid is 1, or at -1000 is 0, in every dtype: exp(-1000) is 0 even in float64."""
LARGE = 16.0
"""The cell state at which f and o are measured: a power of two, so that tanh(c') is large unless f is tiny."""

settable = Condition("bias=True, or one layer", lambda case: case.config.bias or case.config.num_layers == 1)
"""The cases in which a gate can be saturated: by its bias, or by an input feature that is always 1."""


@dataclass(frozen=True)
class Measured:
    """A gate's value for every (layers*directions, batch, hidden), float64, and how far off the measurement may be."""

    value: Tensor
    allowed: Tensor | float


def gate_rows(config: Config, gate: str) -> slice:
    """The rows of weight_ih, weight_hh and the biases that make this gate."""
    start = config.gates.index(gate) * config.hidden_size
    return slice(start, start + config.hidden_size)


def with_ones(x: Tensor) -> Tensor:
    """The input with its first feature 1 everywhere: what carries an offset where there are no biases."""
    return torch.cat([torch.ones_like(x[..., :1]), x[..., 1:]], dim=-1)


def pinned(trial: Trial, gates: Mapping[str, float]) -> dict[str, Tensor]:
    """The parameters, with the pre-activation of these gates at these values, whatever comes in.

    Without biases that needs ``settable`` cases and an input ``with_ones``.
    """
    config, offset = trial.config, "bias_ih" if trial.config.bias else "weight_ih"
    new = {name: parameter.clone() for name, parameter in trial.parameters.items()}
    for name, parameter in new.items():
        for gate, value in gates.items() if not name.startswith("weight_hr") else ():
            block = parameter[gate_rows(config, gate)]
            block.zero_()
            if name.startswith(offset):
                block.view(config.hidden_size, -1)[:, 0] = value
    return new


def one_step(trial: Trial) -> Trial:
    """The first step alone, in the case's own form; a projection only picks the first units, so that o can be seen."""
    size = trial.config.state_size, trial.config.hidden_size
    parameters = {name: torch.eye(*size).to(p) if name.startswith("weight_hr") else p for name, p in trial.parameters.items()}
    return trial.but(x=with_ones(trial.x[:1]), lengths=trial.lengths and (1,) * trial.batch, parameters=parameters)


def measured_gates(trial: Trial) -> dict[str, Measured]:
    """Every gate of every layer and direction, by its letter in ``config.gates``, at the first step of the case.

    Of an LSTM with a projection, o is measured for the first proj_size units. Needs a ``settable`` case.
    """
    return MEASURES[trial.config.kind](one_step(trial), roundoff(trial))


def roundoff(trial: Trial) -> float:
    """One unit roundoff of the case: half an ulp of 1, or TF32's where matmuls may use that."""
    return max(torch.finfo(trial.case.torch_dtype).eps / 2, 2.0**-11 if "tf32" in trial.case.switches else 0.0)


def _elman(step: Trial, u: float) -> dict[str, Measured]:
    return {"h": Measured(exact(step.run.h_n), 2 * u)}


def _lstm(step: Trial, u: float) -> dict[str, Measured]:
    h_0, c_0 = step.given_state

    def at(c: float, **gates: float) -> tuple[Tensor, Tensor]:
        run = step.but(state=(h_0, torch.full_like(c_0, c)), parameters=pinned(step, gates)).run
        return exact(run.h_n), exact(run.states["c"])

    h, c = at(LARGE)
    seen = torch.tanh(c[..., : h.shape[-1]])
    underflow = 4 * torch.finfo(step.case.torch_dtype).smallest_normal / seen.abs()
    return {
        "i": Measured(at(0.0, g=SATURATED)[1], 4 * u),
        "f": Measured(at(LARGE, i=-SATURATED)[1] / LARGE, 4 * u),
        "g": Measured(at(0.0, i=SATURATED)[1], 4 * u),
        "o": Measured(h / seen, 8 * u + underflow),
    }


def _gru(step: Trial, u: float) -> dict[str, Measured]:
    drawn = step.like(step.zero_state()[0], "h to measure gates at")
    h = torch.where(drawn < 0, -1.0, 1.0).to(drawn) * (1 - drawn.abs() / 8)  # between 1/2 and 1, of both signs

    def at(parameters: Mapping[str, Tensor]) -> Tensor:
        return exact(step.but(state=(h,), parameters=parameters).run.h_n)

    only_h = pinned(step, {"n": 0.0, "z": -SATURATED})
    for name, parameter in only_h.items():
        if name.startswith("weight_hh"):
            parameter[gate_rows(step.config, "n")] = torch.eye(step.config.hidden_size).to(parameter)
    apart = at(pinned(step, {"n": SATURATED})) - at(pinned(step, {"n": -SATURATED}))
    return {
        "r": Measured(torch.atanh(at(only_h)) / exact(h), 32 * u),
        "z": Measured(1 - apart / 2, 16 * u),
        "n": Measured(at(pinned(step, {"z": -SATURATED})), 4 * u),
    }


MEASURES: Mapping[Kind, Callable[[Trial, float], dict[str, Measured]]] = {
    kinds.RNN_TANH: _elman,
    kinds.RNN_RELU: _elman,
    kinds.GRU: _gru,
    kinds.GRU_RESET_BEFORE: _gru,
    kinds.LSTM: _lstm,
}
