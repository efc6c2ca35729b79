"""How parameters may be changed between two calls."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from rnncheck.core.subject import Layer

Write = Callable[[nn.Module, Mapping[str, Tensor]], Any]


def stepped(layer: Layer, write: Write, steps: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Change a layer's parameters by these steps in this way; return what they are then, and what they should be."""
    expected = {name: p.detach() + steps.get(name, 0) for name, p in layer.module.named_parameters()}
    write(layer.module, steps)
    return {"parameters": {name: p.detach().clone() for name, p in layer.module.named_parameters()}, "expected": expected}


@torch.no_grad()
def _in_place(module: nn.Module, steps: Mapping[str, Tensor]) -> None:
    for name, parameter in module.named_parameters():
        if name in steps:
            parameter.add_(steps[name])


def _data(module: nn.Module, steps: Mapping[str, Tensor]) -> None:
    for name, parameter in module.named_parameters():
        parameter.data = parameter.data + steps[name]


def _state_dict(module: nn.Module, steps: Mapping[str, Tensor]) -> None:
    module.load_state_dict({name: value + steps.get(name, 0) for name, value in module.state_dict().items()})


def _assigned(module: nn.Module, steps: Mapping[str, Tensor]) -> None:
    """Other tensors take the places of the parameters."""
    module.load_state_dict({name: value + steps.get(name, 0) for name, value in module.state_dict().items()}, assign=True)


def _optimizer(module: nn.Module, steps: Mapping[str, Tensor]) -> None:
    for name, parameter in module.named_parameters():
        parameter.grad = -steps[name]
    torch.optim.SGD(module.parameters(), lr=1.0).step()
    module.zero_grad()


def ways_of(module: nn.Module) -> list[str]:
    """Return the ways that a module takes: one whose own load_state_dict has no such argument is never assigned to."""
    words = inspect.signature(module.load_state_dict).parameters
    assigns = "assign" in words or any(word.kind is word.VAR_KEYWORD for word in words.values())
    return [name for name, write in WAYS.items() if assigns or write is not _assigned]


WAYS: Mapping[str, Write] = {
    "in place": _in_place, ".data": _data, "load_state_dict": _state_dict, "load_state_dict(assign=True)": _assigned,
    "an optimizer's step": _optimizer,
}  # fmt: skip
