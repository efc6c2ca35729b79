"""Layers whose parameters cannot be set, built for one case: they begin with the same numbers, whoever drew them."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from rnncheck.core.subject import Layer

AWAY = 0.25
"""How far parameters are moved that are all zeros or ones."""
FirstNumbers = dict[tuple[Any, ...], dict[str, Tensor]]
"""What the first layer built began with, by all its names, shapes, dtypes and devices."""


@torch.no_grad()
def begin_alike(layer: Layer, another: Callable[[], Layer], first: FirstNumbers) -> None:
    """Give what another generator than torch's drew, which no seed of ours sets, the first layer's numbers.

    Of buffers only such as differ between the first layer and ``another``, built right after it: in all else that differs
    later on, something has leaked.
    """
    parameters, buffers = layer.parameters(), _buffers(layer)
    if any(is_lazy(value) for value in (*parameters.values(), *buffers.values())):
        return
    key = tuple((name, value.shape, value.dtype, value.device) for name, value in {**parameters, **buffers}.items())
    if key not in first and (named_otherwise := _of_the_same_shapes(key, first)) and _names_change(parameters, another()):
        for value, number in zip(parameters.values(), first[named_otherwise].values(), strict=False):
            value.copy_(number)
        return
    if key not in first:
        drawn = _differing(_buffers(another()), buffers) if buffers else {}
        first[key] = {name: value.clone() for name, value in {**parameters, **drawn}.items()}
    for name, value in _differing(first[key], {**parameters, **buffers}).items():
        value.copy_(first[key][name])


@torch.no_grad()
def move_what_hides(layer: Layer, draw: Callable[[Tensor, str, float], Tensor]) -> None:
    """Move parameters of zeros and ones, which hide what they are added to or multiply; draw: like Trial.like."""
    parameters = enumerate(layer.parameters().items())  # by place, since another's may have other names
    moved = {name: value + draw(value, f"moved {place}", AWAY) for place, (name, value) in parameters if _hides(value)}
    if moved:
        layer.load(moved)


def _hides(value: Tensor) -> bool:
    """Whether it is trained and has no other numbers than zeros and ones."""
    trained = value.requires_grad and value.is_floating_point() and not is_lazy(value) and not value.is_meta
    return trained and bool(((value == 0) | (value == 1)).all())


def _of_the_same_shapes(key: tuple[Any, ...], first: FirstNumbers) -> tuple[Any, ...] | None:
    """Return the key of a layer built before whose parameters and buffers differ from this one's in nothing but their names."""
    shapes = [rest for _, *rest in key]
    return next((other for other in first if [rest for _, *rest in other] == shapes), None)


def _names_change(parameters: Mapping[str, Tensor], another: Layer) -> bool:
    """Return whether a layer built in the same way has other names, such as gru_1/kernel after gru/kernel."""
    return parameters.keys() != another.parameters().keys()


def numbers_of(layer: Layer) -> dict[str, Tensor]:
    """Copies of its parameters and buffers, by name."""
    return {name: value.detach().clone() for name, value in {**layer.parameters(), **_buffers(layer)}.items()}


@torch.no_grad()
def take_over(layer: Layer, numbers: Mapping[str, Tensor]) -> None:
    """Give the layer's own parameters and buffers these numbers, by its own names, where they have the same shape."""
    own = layer.parameters()
    parameters = {name: numbers[name] for name, value in own.items() if name in numbers and numbers[name].shape == value.shape}
    if parameters:
        layer.load(parameters)
    for name, buffer in _buffers(layer).items():
        if name in numbers and numbers[name].shape == buffer.shape:
            buffer.copy_(numbers[name])


def _buffers(layer: Layer) -> dict[str, Tensor]:
    return dict(layer.module.named_buffers()) if isinstance(layer.module, nn.Module) else {}


def _differing(these: Mapping[str, Tensor], those: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those that hold other numbers than these of the same name."""
    pairs = ((name, these[name], value) for name, value in those.items() if name in these)
    return {name: that for name, this, that in pairs if not that.is_meta and not torch.equal(this, that)}
