"""The lines of a script that build a layer and set its parameters."""

from rnncheck.adapters.torch_layers import torch_arguments
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.subject import Layer
from rnncheck.repro.literal import literal


def construction(name: str, layer: Layer, config: Config, case: Case) -> list[str]:
    """``name = build(…)``, its parameters from a dict ``parameters`` under torch's names, train() or eval()."""
    options = "".join(f", {key}={value!r}" for key, value in torch_arguments(config).items())
    dtype = "" if case.dtype == "float32" else f".to(torch.{case.dtype})"
    device = "" if case.device == "cpu" else f".to({case.device!r})"
    own = {id(p): own_name for own_name, p in layer.module.named_parameters()}
    live = layer.parameters()
    names = {torch_name: own.get(id(p), torch_name) for torch_name, p in live.items()}
    renamed = {torch_name: own_name for torch_name, own_name in names.items() if torch_name != own_name}
    target = "own[names.get(key, key)]" if renamed else "own[key]"
    return [
        f"{name} = build({config.input_size}, {config.hidden_size}{options}){dtype}{device}",
        "parameters = {",
        *(f"    {key!r}: {literal(value)}," for key, value in live.items()),
        "}",
        *([f"names = {renamed!r}"] if renamed else []),
        f"own = dict({name}.named_parameters())",
        "with torch.no_grad():",
        "    for key, value in parameters.items():",
        f"        {target}.copy_(value)",
        f"{name}.train({case.training})",
    ]
