"""Whether a result moves with what is given, by its gradient: neither NaN nor a large number need pass a spike, which is 0 or 1."""

from typing import Any

import torch

from rnncheck.core.run import Run
from rnncheck.running.trial import SubjectError, Trial


def of_outputs(trial: Trial, steps: slice) -> Run:
    """Return cotangents of ones for the outputs of these steps, and of zeros for all else."""
    weights = Run(**{name: torch.zeros_like(part) for name, part in trial.run.parts()})
    weights.output[steps] = 1
    return weights


def flows(trial: Trial, weights: Run, names: tuple[str, ...], place: Any) -> bool:
    """Return whether a gradient of these results by this part of the input, or of a state, is not 0; NaN says nothing.

    Surrogate gradients of spikes count.
    """
    try:
        found = trial.gradients(weights)
    except SubjectError:  # it has no gradient
        return False
    flowing = [part for name in names if (part := found.get(name)) is not None]
    return any(bool(part[place].nan_to_num().any()) for part in flowing)
