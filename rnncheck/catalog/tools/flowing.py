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


def flows(trial: Trial, weights: Run, name: str, place: Any) -> bool:
    """Return whether a gradient of these results by this part of what is given is not 0, surrogate gradients of spikes included."""
    try:
        found = trial.gradients(weights)[name]
    except SubjectError:  # it has no gradient
        return False
    return found is not None and bool(found[place].any())
