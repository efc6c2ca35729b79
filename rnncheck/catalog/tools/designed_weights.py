"""Parameters and inputs made for a purpose: through which every influence can be seen, or that remember for ever."""

import torch
from torch import Tensor

from rnncheck.catalog.tools.gate_measurement import gate_rows
from rnncheck.core.config import Config
from rnncheck.core.run import Run
from rnncheck.running.trial import Trial

FAINT = 2.0**-7
"""The input everywhere but where it is changed: small against 1, so that a change stands out in every dtype."""


def settable_shapes(trial: Trial, config: Config) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the parameters that can be set, by torch's names; none where the subject does not claim to load.

    A layer of its own may call its parameters as torch does, and give them other shapes.
    """
    return config.parameter_shapes() if trial.subject.offers("load") else {}


def transparent_parameters(trial: Trial) -> dict[str, Tensor]:
    """Positive weights whose rows sum to between 1/2 and 1, no biases: no influence cancels, saturates or dies out.

    On small positive input every activation is nearly linear, every gate near one half, and every step keeps at least
    half of what came before.
    """

    def transparent(name: str, parameter: Tensor) -> Tensor:
        drawn = trial.like(parameter, f"transparent {name}").abs().clamp(max=2) / 4
        return (0.5 + drawn) / parameter.shape[1] if parameter.dim() == 2 else torch.zeros_like(parameter)

    return {name: transparent(name, parameter) for name, parameter in trial.parameters.items()}


SEEN = 8
"""A result moves visibly if it moves by this many times the rounding error: a correct layer's moves by more than twice that."""


def visibly_moved(changed: Trial, quiet: Trial) -> Run:
    """bool: which elements of the truth move so far, when one trial is changed into the other, that a layer's must move.

    Half of an influence may be lost at every step: after many of them it is below rounding.
    """
    pairs = {name: (part, getattr(quiet.truth, name)) for name, part in changed.truth.parts()}
    return Run(**{name: (a - b).abs() > SEEN * getattr(quiet.budget.allowed, name) for name, (a, b) in pairs.items()})


def bistable_parameters(trial: Trial) -> dict[str, Tensor]:
    """Every unit holds the sign of the first input that it saw: gates at one half, each unit feeding itself."""
    candidate, gain = gate_rows(trial.config, trial.config.kind.candidate), trial.config.kind.gain

    def bistable(name: str, parameter: Tensor) -> Tensor:
        new = torch.zeros_like(parameter)
        if name.startswith("weight_ih"):
            new[candidate] = 1 / parameter.shape[1]
        if name.startswith("weight_hh"):
            new[candidate] = gain * torch.eye(trial.config.hidden_size, parameter.shape[1]).to(parameter)
        return torch.eye(*parameter.shape).to(parameter) if name.startswith("weight_hr") else new

    return {name: bistable(name, parameter) for name, parameter in trial.parameters.items()}
