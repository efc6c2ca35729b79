"""What happens to a layer in its life besides calls, as functions of torch alone."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from rnncheck.catalog.tools.deeds import copies
from rnncheck.core.subject import Layer
from rnncheck.running.backward import named_results


def own_parameters(layer: Layer) -> dict[str, Tensor]:
    """Return all parameters of a layer, under torch's names where it has them."""
    names = {id(p): name for name, p in layer.parameters().items()}
    return {names.get(id(p), name): p for name, p in layer.module.named_parameters()}


def parameter_copies(layer: Layer) -> dict[str, Tensor]:
    """Return the parameters as they are now."""
    return copies(layer.parameters())


def frozen_parameters(layer: Layer) -> list[str]:
    """Return the names of parameters that do not require gradients."""
    return sorted(name for name, p in own_parameters(layer).items() if not p.requires_grad)


def freeze(layer: Layer, name: str) -> None:
    """Let this parameter require no gradients."""
    own_parameters(layer)[name].requires_grad_(False)


def convert(layer: Layer, dtype: torch.dtype) -> None:
    """Move a layer to a dtype."""
    layer.module.to(dtype)


def zero(layer: Layer) -> None:
    """Set all parameters to zero."""
    with torch.no_grad():
        for parameter in layer.parameters().values():
            parameter.zero_()


def load_negated(layer: Layer) -> dict[str, dict[str, Tensor]]:
    """Load all parameters with the other sign into a model that the layer is a part of; return what they are afterwards.

    Twice: from a checkpoint in double precision, and from one in the layer's own; both belong to the caller, who zeroes them.
    """
    model, found = nn.ModuleDict({"encoder": layer.module}), {}
    own = {name: -v if v.is_floating_point() else v.clone() for name, v in model.state_dict().items()}
    double = {name: v.to(torch.float64, copy=True) if v.is_floating_point() else v.clone() for name, v in own.items()}
    for given, what in ((double, "in double precision"), (own, "in its own dtype")):
        model.load_state_dict(given)
        for value in given.values():
            value.zero_()
        found[what] = copies(layer.parameters())
    return found


def optimizer_step(layer: Layer, x: Any, hx: Any) -> None:
    """Take a step of SGD on the sum of all that is returned, no larger than 0.05 in any parameter."""
    optimizer = torch.optim.SGD(layer.module.parameters(), lr=0.5)
    layer.train(True)
    with torch.enable_grad():
        loss = torch.stack([part.sum() for part in named_results(layer(x, hx)).values()]).sum()
    loss.backward()
    nn.utils.clip_grad_value_(layer.module.parameters(), 0.1)
    optimizer.step()
    optimizer.zero_grad()


class Halved(nn.Module):
    """A parametrization: half of the parameter."""

    def forward(self, parameter: Tensor) -> Tensor:
        return parameter / 2


def halve(layer: Layer, module: str, name: str) -> None:
    """Halve a parameter of this submodule by a parametrization."""
    parametrize.register_parametrization(layer.module.get_submodule(module), name, Halved())


def keep_halved(layer: Layer, module: str, name: str) -> None:
    """Make a parameter of what a parametrization has computed."""
    parametrize.remove_parametrizations(layer.module.get_submodule(module), name, leave_parametrized=True)


def set_dropout(layer: Layer, dropout: float) -> None:
    """Set the layer's dropout."""
    layer.module.dropout = dropout
