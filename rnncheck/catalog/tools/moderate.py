"""Numbers that a dtype can hold: where one run has them, the other has no NaN and no inf."""

import torch
from torch import Tensor

from rnncheck.core.observation import Observation, both
from rnncheck.core.run import Run
from rnncheck.running.trial import Trial


def finite_where_moderate(run: Run, other: Run, what: str, sides: tuple[str, str]) -> Observation:
    """The run is finite where the other's numbers are moderate: such that the run's dtype can hold the product of two of them."""
    most = torch.finfo(run.output.dtype).max

    def allowed(part: Tensor) -> Tensor:
        size = part.double().abs()
        return torch.full_like(size, torch.inf).masked_fill(size <= most**0.5, most)

    return both(run, other, other.map(allowed), what, sides)


def saturating_input(trial: Trial) -> Tensor:
    """Input of some tens, with which 1 - sigmoid(x) is 0 in float32 and not in float64."""
    return trial.like(trial.x, "saturating x", 2.0 ** trial.draw("scale", 3, 6))
