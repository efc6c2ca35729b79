"""One step of training, as checks take it and as scripts show it: which parameters get a gradient, and what the step changes."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from rnncheck.core.subject import Layer
from rnncheck.running.backward import named_results, weighted_sum


@torch.no_grad()
def written(layer: Layer, values: Mapping[str, Tensor]) -> None:
    """Write these values into the parameters of the layer's module, by its own names for them."""
    parameters = dict(layer.module.named_parameters())
    for name, value in values.items():
        parameters[name].copy_(value)


def idle_parameters(layer: Layer, x: Any, hx: Any, weights: Mapping[str, Tensor], ignored: Sequence[str]) -> Any:
    """Return which parameters get no gradient, or only zeros, from a loss of all results; those that are ignored left out."""
    with torch.enable_grad():
        weighted_sum(named_results(layer(x, hx)), weights).backward()
    trained = {name: p for name, p in layer.module.named_parameters() if p.requires_grad and name not in ignored}
    return [name for name, p in trained.items() if p.grad is None or not p.grad.any()] or "none"


@torch.no_grad()
def effect_of_a_step(layer: Layer, x: Any, hx: Any) -> str:
    """Return whether an optimizer's step along the gradients changes the output: a small one may flip no spike, a large one may."""
    before = named_results(layer(x, hx))["output"].clone()
    parameters = [p for p in layer.module.parameters() if p.requires_grad]
    for size in (0.1, 10.0, 1000.0):
        torch.optim.SGD(parameters, lr=size).step()
        if not torch.equal(named_results(layer(x, hx))["output"], before):
            return "an effect"
    return "no effect"
