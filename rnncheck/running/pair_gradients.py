"""Gradients of a model's results for its weights and its inputs."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rnncheck.running.pair import floating
from rnncheck.running.pair_results import Tensors, copied, tensors

Gradients = dict[str, Tensor | None]


def recording(inputs: Sequence[Any]) -> list[Any]:
    """The inputs, those of floating point with their gradients recorded."""
    return [value.requires_grad_() if floating(value) else value for value in inputs]


def gradients_by_name(model: nn.Module, inputs: Sequence[Any], cotangents: Tensors, names: Mapping[str, str]) -> Gradients:
    """Return the gradients of a call's results times their cotangents, for inputs, and for parameters by names of their own."""
    live, recorded = model.state_dict(keep_vars=True), recording(inputs)
    return gradients_of(model(*recorded), cotangents, {name: live[own] for name, own in names.items()}, recorded)


def gradients_of(result: Any, cotangents: Tensors, named: Mapping[str, Tensor], inputs: Sequence[Any]) -> Gradients:
    """Of all results times their cotangents, for the parameters and the inputs."""
    wanted = {f"gradient of {name}": p for name, p in named.items()}
    wanted |= {f"gradient of input {place}": value for place, value in enumerate(inputs) if floating(value)}
    parts = {path: value for path, value in tensors(result).items() if value.requires_grad and path in cotangents}
    if not parts:
        return dict.fromkeys(wanted)
    weights = [cotangents[path].to(value.device, value.dtype) for path, value in parts.items()]
    asked = {name: value for name, value in wanted.items() if value.requires_grad}
    found = torch.autograd.grad(list(parts.values()), list(asked.values()), weights, allow_unused=True)
    by_name = dict(zip(asked, found, strict=True))
    return {name: None if by_name.get(name) is None else copied(by_name[name]) for name in wanted}  # type: ignore[arg-type]
