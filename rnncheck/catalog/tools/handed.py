"""What a module is handed, and whether a call writes into it, or puts something else into lists and dicts."""

from typing import Any

import torch
from torch import Tensor, nn


class Handed:
    """Inside, keep what the author's module is called with: an adapter hands it tensors that nobody else sees."""

    def __init__(self, module: Any) -> None:
        own = module.wrapped() if hasattr(module, "wrapped") else module
        takes_hooks = isinstance(own, nn.Module) and not isinstance(own, torch.jit.ScriptModule)
        self.module = own if takes_hooks else None
        self.seen: list[tuple[str, Any, list[Any], list[int]]] = []

    def __enter__(self) -> "Handed":
        if self.module is not None:
            self.hook = self.module.register_forward_pre_hook(self._keep, with_kwargs=True)
        return self

    def __exit__(self, *exception: object) -> None:
        if self.module is not None:
            self.hook.remove()

    def _keep(self, module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        arguments = {**{f"argument {number + 1}": value for number, value in enumerate(given)}, **named}
        self.seen += [(name, value, inside := _inside(value), _versions(inside)) for name, value in arguments.items()]

    def changed(self) -> list[str]:
        """Return the arguments whose lists or dicts hold other objects than before the call."""
        return [name for name, value, before, _ in self.seen if not _same(_inside(value), before)]

    def written(self) -> list[str]:
        """Return the arguments whose tensors were written into."""
        return list(dict.fromkeys(name for name, _, inside, before in self.seen if _versions(inside) != before))


def _inside(value: Any) -> list[Any]:
    """Return what lies in a value, in order, however deep."""
    parts = list(value.values()) if isinstance(value, dict) else value
    return [inner for part in parts for inner in _inside(part)] if isinstance(parts, list | tuple) else [value]


def _same(now: list[Any], before: list[Any]) -> bool:
    return len(now) == len(before) and all(a is b for a, b in zip(now, before, strict=True))


def _versions(inside: list[Any]) -> list[int]:
    """Return how often each tensor was written into; inference mode does not count."""
    return [one._version for one in inside if isinstance(one, Tensor) and not one.is_inference()]
