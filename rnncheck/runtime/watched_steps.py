"""The part of ``rnncheck.watch`` that looks at an optimizer's steps."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from rnncheck.runtime.applied_gradients import Applied
from rnncheck.runtime.contracts import Coin, active


class WatchedSteps:
    """Looks at a fraction of the steps of one optimizer, or of every one of the model's parameters where none is given.

    After a step with gradients that are too large it looks once more, at the next zero_grad() or call of the model: if they
    are within the bound then, they are clipped after the step. A step that may clip by itself is checked after it has ended.

    found: takes a kind and a message; ``looked`` counts the steps that were looked at
    """

    def __init__(
        self,
        model: nn.Module,
        sample: float,
        max_norm: float | None,
        optimizer: Any,
        scaler: Any,
        found: Callable[[str, str], None],
    ) -> None:
        self.model, self.sample, self.max_norm = model, sample, max_norm
        self.optimizer, self.scaler, self.found = optimizer, scaler, found
        self.looked = 0
        self._coins: WeakKeyDictionary[torch.optim.Optimizer, Coin] = WeakKeyDictionary()
        self._beyond: Applied | None = None
        self._open: WeakSet[torch.optim.Optimizer] = WeakSet()
        self._handles: list[Any] = []
        self._own: Callable[..., None] | None = None

    def begin(self) -> None:
        """Look from here on."""
        if self.max_norm is None and self.optimizer is None:
            return
        self._handles.append(register_optimizer_step_pre_hook(self._step))
        self._handles.append(register_optimizer_step_post_hook(self._stepped))
        self._handles.append(self.model.register_forward_pre_hook(self._called))
        if self.optimizer is not None:
            self._own, self.optimizer.zero_grad = self.optimizer.zero_grad, self._zero_grad

    def end(self, *, raised: bool = False) -> None:
        """Stop checking; report nothing new where something was raised."""
        if not raised:
            self._look_again()
        for handle in self._handles:
            handle.remove()
        if self._own is not None:
            self.optimizer.zero_grad = self._own
            if getattr(self._own, "__func__", None) is type(self.optimizer).zero_grad:
                del self.optimizer.zero_grad
        self._own = None
        self._handles.clear()

    def _step(self, optimizer: torch.optim.Optimizer, args: tuple[Any, ...], options: Mapping[str, Any]) -> None:
        if optimizer in self._open or (self.optimizer is not None and optimizer is not self.optimizer):
            return  # a step within a step is a part of it
        toss = self._coins.setdefault(optimizer, Coin(self.sample, "step"))
        if not active() or not toss():
            return
        if _may_clip(optimizer, args, options):
            self._open.add(optimizer)
        else:
            self._look(optimizer, ended=False)

    def _stepped(self, optimizer: torch.optim.Optimizer, *args: Any) -> None:
        if optimizer in self._open:
            self._open.remove(optimizer)
            self._look(optimizer, ended=True)

    def _look(self, optimizer: torch.optim.Optimizer, ended: bool) -> None:
        held = None if self.optimizer is not None else frozenset(id(p) for p in self.model.parameters())
        applied = Applied(optimizer, self.max_norm, self.scaler, held, ended)
        self.looked += bool(applied.groups)
        finding = applied.finding(list(self.model.parameters()))
        if finding is not None:
            self._beyond = applied if finding[0] == "gradient norm" else None
            self.found(*finding)

    def _zero_grad(self, *args: Any, **options: Any) -> None:
        self._look_again()
        assert self._own is not None
        self._own(*args, **options)

    def _called(self, *args: Any) -> None:
        if self._beyond is not None and active():
            self._look_again()

    def _look_again(self) -> None:
        """Tell if what was too large at the step is within the bound now."""
        was, self._beyond = self._beyond, None
        if was is None:
            return
        now = Applied(was.optimizer, was.max_norm, None, was.held)
        if now.groups and 0 < now.norm <= now.limit:
            told = f"the gradients' total norm is {was.norm:.6g} at the optimizer's step and {now.norm:.6g} afterwards"
            self.found("clipped after the step", f"{told}: they are clipped after the step, which has applied them as they were")


def _may_clip(optimizer: torch.optim.Optimizer, args: tuple[Any, ...], options: Mapping[str, Any]) -> bool:
    """Whether the step may change its gradients before it applies them: by a closure, hooks of the optimizer's own, or own code.

    args: as the step's hooks are given them, the optimizer first
    """
    closure = options.get("closure") is not None or any(callable(given) for given in args[1:])
    own_code = not inspect.unwrap(type(optimizer).step).__module__.startswith("torch.")
    return closure or own_code or bool(optimizer._optimizer_step_pre_hooks)
