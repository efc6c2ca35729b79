"""Layers whose parameters cannot be set, built for one case: they begin with the same numbers, whoever drew them."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

FirstNumbers = dict[tuple[Any, ...], dict[str, Tensor]]
"""The parameters of the first layer built, by all their names, shapes, dtypes and devices."""


@torch.no_grad()
def begin_alike(parameters: Mapping[str, Tensor], first: FirstNumbers) -> None:
    """Give parameters that another generator than torch's drew, which no seed of ours sets, the first layer's numbers."""
    if any(is_lazy(parameter) for parameter in parameters.values()):
        return
    key = tuple((name, parameter.shape, parameter.dtype, parameter.device) for name, parameter in parameters.items())
    numbers = first.setdefault(key, {name: parameter.clone() for name, parameter in parameters.items()})
    for name, parameter in parameters.items():
        if not parameter.is_meta and not torch.equal(parameter, numbers[name]):
            parameter.copy_(numbers[name])
