"""``agrees_with``: a sampled fraction of real calls is replayed against a reference, within the budget of that call."""

import copy
import functools
import inspect
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rnncheck import typechecked
from rnncheck.campaign import store
from rnncheck.core.plain_text import said
from rnncheck.reading.typed import is_typed
from rnncheck.running.trial import subject_boundary
from rnncheck.runtime.background import Background, Look
from rnncheck.runtime.compare import Call, call_of, compare_call, compare_results
from rnncheck.runtime.contracts import Coin, ContractViolation, ContractWarning, Policy, active, known, log, violate, violations
from rnncheck.runtime.keep import kept, target_of
from rnncheck.runtime.tensors_inside import copied
from rnncheck.runtime.typed_calls import ModuleCall, compare_module_call, random_state
from rnncheck.typechecked import name_of, on_functions


def agrees_with(
    reference: Any, *, sample: float = 0.01, policy: Policy = "raise", folder: str | Path | None = store.FOLDER
) -> Callable[[Any], Any]:
    """Replay a fraction ``sample`` of the calls of a layer or of a function against ``reference``.

    A layer (a torch.nn.Module class, or one such module, read as ``verify`` reads it) is compared with the reference under the same
    parameters, input and state, within what rounding may do to this very call; calls with active dropout, under vmap or
    under torch.compile are left out, and so is a subclass's own forward. A function is compared with the reference function
    on the same arguments in float64; so is a module that is annotated as a recurrence of any kind, with a reference module (or
    class) that is given its parameters, or a reference function. Calls of such a module that draw random numbers are left out.

    The first call is compared at once, and so is every call with sample=1. The others are copied and compared in a thread of
    their own, where at most eight wait; calls that come meanwhile are skipped. A call that does not agree is reported (raised,
    if that is the policy) at the next call of the same layer or function, or by ``rnncheck.settle()``, which waits for all
    pending comparisons: call it where training ends. A result that comes after both is too late to be raised: it is written
    to stderr when the program ends, and the exit code stays what it is.

    The first failing call of a layer is kept as a case file under ``folder``, for ``rnncheck replay``; None keeps none.

    Raises ContractViolation (or what the policy says) on a call that does not agree; TypeError at once for anything but
    a layer or a plain function.
    """
    known(policy)

    def decorate(target: Any) -> Any:
        desk = _Desk(name_of(target), reference, Coin(sample, name_of(target)), policy, None if folder is None else Path(folder))
        kind: Any = target if inspect.isclass(target) else type(target)
        if issubclass(kind, nn.RNNCellBase):
            raise TypeError(f"agrees_with: {desk.name} is a cell, but should be a layer or a function")
        typed = issubclass(kind, nn.Module) and is_typed(target)
        if inspect.isclass(target) and issubclass(target, nn.Module):
            target.forward = (desk.over_typed if typed else desk.over_forward)(target.forward)
            return target
        if typed:
            target.forward = functools.partial(desk.over_typed(kind.forward), target)
            return target
        if isinstance(target, nn.Module):
            target.register_forward_hook(desk.after_forward, with_kwargs=True)
            return target
        return on_functions("agrees_with", desk.over_function)(target)

    return decorate


def settle() -> int:
    """Wait for every pending comparison of ``agrees_with``; return how many did not agree and were not reported yet.

    Raises ContractViolation with these where the policy is "raise"; others are warned of, logged or counted.

    Examples:
        >>> double = agrees_with(lambda a: 2 * a, sample=0.5)(lambda a: a + a)
        >>> for _ in range(9):
        ...     _ = double(torch.ones(3))
        >>> settle()
        0
    """
    number, raised = 0, []
    for desk in _at_work:
        for found in desk.background.all_told():
            number += 1
            try:
                violate(desk.name, found, desk.policy)
            except ContractViolation as error:
                raised.append(str(error))
    if raised:
        raise ContractViolation("\n".join(raised))
    return number


@dataclass(eq=False)
class _Desk:
    """The checks on the calls of one target."""

    name: str
    reference: Any
    toss: Coin
    policy: Policy
    folder: Path | None
    background: Background = field(init=False)

    def __post_init__(self) -> None:
        self.background = Background(lambda: _at_work.append(self), self._at_the_end)

    def _at_the_end(self, found: list[str]) -> None:
        """What the thread found after the last call: too late to be raised, but it is seen, whatever becomes of logs."""
        violations[self.name] += len(found)
        told = f"{found[0]}{f' (and {len(found) - 1} more like this)' if found[1:] else ''}"
        if self.policy == "log":
            log.error(told)
        elif self.policy != "count":
            late = "found after the last call, too late to be raised: end with rnncheck.settle()"
            print(f"rnncheck: {told} ({late})", file=sys.stderr)

    def over_forward(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        """A layer's forward, looked at."""

        @functools.wraps(forward)
        def wrapper(layer: nn.Module, *args: Any, **kwargs: Any) -> Any:
            if not self._wants():
                return forward(layer, *args, **kwargs)
            given = copied((args, kwargs))  # as they were before the call
            result = forward(layer, *args, **kwargs)
            self._judge_layer(layer, given, result)
            return result

        return wrapper

    def over_typed(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        """The forward of a module that is a recurrence of any kind, looked at."""

        @functools.wraps(forward)
        def wrapper(layer: nn.Module, *args: Any, **kwargs: Any) -> Any:
            if not self._wants():
                return forward(layer, *args, **kwargs)
            given, before = (copied(args), copied(kwargs)), random_state()
            result = forward(layer, *args, **kwargs)
            if random_state() == before:
                self._judge(functools.partial(self._module, ModuleCall.of(layer, *given, result)))
            return result

        return wrapper

    def after_forward(self, layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        """The hook on a module that exists already."""
        if self._wants():
            self._judge_layer(layer, copied((args, kwargs)), result)

    def over_function(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """A function, looked at."""

        @functools.wraps(fn)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if not self._wants():
                return fn(*args, **kwargs)
            given = copied(args), copied(kwargs)  # as they were before the call
            result = fn(*args, **kwargs)
            self._judge(functools.partial(self._function, copied(result), *given))
            return result

        return wrapper

    def _wants(self) -> bool:
        """Tells what was found meanwhile; whether to look at this call."""
        if not active() or typechecked.transformed() or subject_boundary.depth():
            return False
        while (found := self.background.told()) is not None:
            violate(self.name, found, self.policy)
        return self.toss()

    def _judge(self, look: Look) -> None:
        """At once or later, and not as part of what is being looked at."""
        if self.toss.rate < 1 and self.toss.tosses > 1:
            self.background.later(look)
        elif (found := look()) is not None:
            violate(self.name, found, self.policy)

    def _judge_layer(self, layer: nn.Module, given: tuple[Any, Any], result: Any) -> None:
        try:
            with torch.no_grad():
                call = call_of(layer, self.reference, *given, result)
        except Exception as error:
            _not_compared(self.name, error)
            return
        if call is not None:
            self._judge(functools.partial(self._layer, call, type(layer), target_of(type(layer))))

    def _layer(self, call: Call, cls: type, target: str) -> str | None:
        try:
            seen = compare_call(call, self.reference)
        except Exception as error:
            _not_compared(self.name, error)
            return None
        if seen.holds:
            return None
        where = "" if self.folder is None else kept(call, cls, target, self.reference, self.folder)
        self.folder = None  # one is enough
        return f"{self.name} does not agree with {name_of(self.reference)}: {seen.mismatches()[0]}; {call.case}{where}"

    def _module(self, call: ModuleCall) -> str | None:
        try:
            seen = compare_module_call(call, self.reference)
        except Exception as error:
            _not_compared(self.name, error)
            return None
        return None if seen.holds else f"{self.name} does not agree with {name_of(self.reference)}: {seen.mismatches()[0]}"

    def _function(self, result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
        try:
            seen = compare_results(result, self.reference, args, kwargs)
        except Exception as error:
            _not_compared(self.name, error)
            return None
        return None if seen.holds else f"{self.name} does not agree with {name_of(self.reference)}: {seen.mismatches()[0]}"

    def __deepcopy__(self, memo: Any) -> "_Desk":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _Desk, (self.name, self.reference, copy.copy(self.toss), self.policy, self.folder)


_at_work: list[_Desk] = []
"""Those that have compared something in the background."""


def _not_compared(name: str, error: Exception) -> None:
    """Told as a warning: a running program does not stop because we cannot look."""
    if not sys.is_finalizing():
        what = f"{name}: a call could not be compared with its reference: {said(error)}"
        warnings.warn(what, ContractWarning, stacklevel=4)
