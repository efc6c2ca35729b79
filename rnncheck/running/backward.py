"""Backward through a call, in the layer's own layout: functions of torch alone, as checks call them and as scripts show them."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from rnncheck.core.subject import Layer

RESULTS = ("output", "h_n", "c_n")
"""What a call returns, by name."""


def named_results(returned: tuple[Any, tuple[Tensor, ...]]) -> dict[str, Tensor]:
    """Return the output (a packed one's data) and the final states of a call by name."""
    output, state = returned
    return dict(zip(("output", "h_n", "c_n"), (output if isinstance(output, Tensor) else output.data, *state), strict=False))


def named_arguments(x: Any, hx: tuple[Tensor, ...] | None) -> dict[str, Tensor]:
    """Return the input (a packed one's data) and the initial states by name."""
    return {"input": x if isinstance(x, Tensor) else x.data, **dict(zip(("h_0", "c_0"), hx or (), strict=False))}


def as_leaves(x: Any, hx: tuple[Tensor, ...] | None) -> tuple[Any, tuple[Tensor, ...] | None]:
    """Return input and initial states as tensors that require gradients."""
    data, *order = x if isinstance(x, PackedSequence) else (x,)
    data = data.detach().requires_grad_()
    return PackedSequence(data, *order) if order else data, hx and tuple(part.detach().requires_grad_() for part in hx)


def trained(layer: Layer) -> dict[str, Tensor]:
    """Return the parameters that require gradients, by name."""
    return {name: p for name, p in layer.parameters().items() if p.requires_grad}


def weighted_sum(results: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> Tensor:
    """Return the loss: the sum of the results times their weights; a result without any is not looked at."""
    for name, weight in weights.items():
        came = tuple(results[name].shape) if name in results else "nothing"
        if came != tuple(weight.shape):
            raise ValueError(f"{name} has shape {came}, but should have {tuple(weight.shape)}")
    return torch.stack([(results[name] * weight).sum() for name, weight in weights.items()]).sum()


def backward_of(layer: Layer, x: Any, hx: Any, weights: dict[str, Tensor]) -> dict[str, Tensor | None]:
    """Return the gradients of the weighted sum of a call's results, by name, None where nothing flows."""
    with torch.enable_grad():
        x, hx = as_leaves(x, hx)
        wanted = {**named_arguments(x, hx), **trained(layer)}
        loss = weighted_sum(named_results(layer(x, hx)), weights)
        return dict(zip(wanted, torch.autograd.grad(loss, list(wanted.values()), allow_unused=True), strict=True))
