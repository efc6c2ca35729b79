"""What must hold of a layer whose parameters have changed since it was built or called, whatever its equations are."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from rnncheck.catalog.tools.conditions import deterministic
from rnncheck.catalog.tools.deeds import copies
from rnncheck.catalog.weights import weights
from rnncheck.core.observation import Observation
from rnncheck.core.subject import Layer, NotClaimed
from rnncheck.running.backward import named_results
from rnncheck.running.same_start import numbers_of, take_over
from rnncheck.running.trial import Trial


@weights("as_new", formula="f(x; W); W := W'; f(x) = g(x; W'), g new", kind="metamorphic", cost=4,
         source="what is computed from parameters and kept: powers of a decay, a fused matrix, a cast copy",
         applies=deterministic)  # fmt: skip
def as_new(trial: Trial) -> Observation:
    """A layer that was called before its parameters changed gives what a new layer with these parameters gives."""
    layer = trial.build()
    trial.run_on(layer)
    loads, before = trial.subject.offers("load"), trial.parameters or layer.parameters()
    if not before:
        return Observation()
    after = _moved(trial, before)
    other = trial.but(parameters=after if loads else numbers_of(layer) | after)
    layer.load(after) if loads else take_over(layer, after)
    return other.same(other.run_on(layer), sides=("from a layer that was called before", "from a new layer"))


def _moved(trial: Trial, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Each number multiplied by one between 1/2 and 1: signs and orders of magnitude stay."""
    numbers = {name: p.detach() for name, p in parameters.items() if p.is_floating_point()}
    return {name: p * (0.5 + 0.5 * torch.sigmoid(trial.like(p, f"factors of {name}"))) for name, p in numbers.items()}


@weights("registered", formula="f(x) = g(x), g drawn anew and loaded with the state_dict of f", kind="metamorphic", cost=3,
         source="torch.nn.Module.state_dict; cells in a Python list, weights that are plain tensors", needs=("module",),
         applies=deterministic)  # fmt: skip
def registered(trial: Trial) -> Observation:
    """Everything that a layer draws is in its state_dict: another layer that loads it gives the same results."""
    if trial.subject.fixed is not None:
        raise NotClaimed("an object is copied, not built anew")
    layer, other = trial.build(), trial.anew(another_seed=1)
    other.train(trial.case.training)
    if _names(layer) != _names(other):
        raise NotClaimed("each layer that is built has other names in its state_dict")
    found = trial.do(after_loading, layer, other, *trial.arguments, doing="loading its state_dict")
    return trial.same(trial.read_results(found), sides=("from another layer with its state_dict", "from the layer"))


def _names(layer: Layer) -> list[set[str]]:
    return [set(module.state_dict()) for module in whole(layer)]


def after_loading(layer: Layer, other: Layer, x: Any, hx: Any) -> dict[str, Tensor]:
    """Return the results of another layer that has loaded the layer's state_dict."""
    for module, theirs in zip(whole(layer), whole(other), strict=True):
        theirs.load_state_dict(module.state_dict())
    return copies(named_results(other(x, hx)))


def whole(layer: Layer) -> list[nn.Module]:
    """Return the module, and the one inside it whose parameters it puts together, if there is one."""
    inside = getattr(layer.module, "wrapped", None)
    return [layer.module, *([] if inside is None else [inside()])]
