"""What must hold of a layer whose parameters have changed since it was called, whatever its equations are."""

from collections.abc import Mapping

import torch
from torch import Tensor

from rnncheck.catalog.tools.conditions import deterministic
from rnncheck.catalog.weights import weights
from rnncheck.core.observation import Observation
from rnncheck.running.same_start import numbers_of, take_over
from rnncheck.running.trial import Trial


@weights("as_new", formula="f(x; W); W := W'; f(x) = g(x; W'), g new", kind="metamorphic", cost=4,
         source="what is computed from parameters and kept: powers of a decay, a fused matrix, a cast copy",
         applies=deterministic)  # fmt: skip
def as_new(trial: Trial) -> Observation:
    """A layer that was called before its parameters changed gives what a new layer with these parameters gives."""
    layer = trial.build()
    trial.run_on(layer)
    before = layer.parameters()
    if not before:
        return Observation()
    after = _moved(trial, before)
    other = trial.but(parameters=after if trial.subject.offers("load") else numbers_of(layer) | after)
    take_over(layer, after)
    return other.same(other.run_on(layer), sides=("from a layer that was called before", "from a new layer"))


def _moved(trial: Trial, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Each number multiplied by one between 1/2 and 1: signs and orders of magnitude stay."""
    numbers = {name: p.detach() for name, p in parameters.items() if p.is_floating_point()}
    return {name: p * (0.5 + 0.5 * torch.sigmoid(trial.like(p, f"factors of {name}"))) for name, p in numbers.items()}
