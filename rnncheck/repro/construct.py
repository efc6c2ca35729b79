"""The lines of a script that build a layer and set its parameters."""

from collections.abc import Mapping

from torch import Tensor

from rnncheck.adapters.torch_layers import torch_arguments
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.subject import Layer
from rnncheck.repro.helpers import renamed
from rnncheck.repro.literal import literal


def construction(layer: Layer, config: Config, case: Case) -> list[str]:
    """``layer = build(…)``, its parameters from a dict ``parameters`` under torch's names, train() or eval()."""
    names = renamed(layer)
    target = "own[names.get(key, key)]" if names else "own[key]"
    return [
        *layer_lines(config, case, layer.parameters()),
        *([f"names = {names!r}"] if names else []),
        "with torch.no_grad():",
        "    for key, value in parameters.items():",
        f"        {target}.copy_(value)",
        f"layer.train({case.training})",
    ]


def layer_lines(config: Config, case: Case, parameters: Mapping[str, Tensor]) -> list[str]:
    """The lines that define layer, parameters (literal ones) and own, those of the layer."""
    options = "".join(f", {key}={value!r}" for key, value in torch_arguments(config).items())
    dtype = "" if case.dtype == "float32" else f".to(torch.{case.dtype})"
    device = "" if case.device == "cpu" else f".to({case.device!r})"
    return [
        f"layer = build({config.input_size}, {config.hidden_size}{options}){dtype}{device}",
        "parameters = {",
        *(f"    {name!r}: {literal(value)}," for name, value in parameters.items()),
        "}",
        "own = dict(layer.named_parameters())",
    ]
