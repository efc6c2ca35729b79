"""Contracts for code that runs: gates in [0, 1], bounded results, clipped gradients, agreement with a reference.

Each steps aside under torch.compile, torch.export and torch.jit.trace, and while ``rnncheck.contracts.checking(False)``.
What happens on a violation is a policy: "raise" ContractViolation, "warn" once per function, "log", or "count".
"""

import functools
import inspect
import logging
import random
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, ParamSpec, TypeVar

import torch
from torch import Tensor

from rnncheck import contracts

P = ParamSpec("P")
R = TypeVar("R")
Policy = Literal["raise", "warn", "log", "count"]
POLICIES = ("raise", "warn", "log", "count")
log = logging.getLogger("rnncheck")

violations: Counter[str] = Counter()
"""How often each function broke its contract, whatever the policy."""


class ContractViolation(AssertionError):
    """A function broke its contract; the message names function, result, worst value, its index, and what was expected."""


class ContractWarning(UserWarning):
    """The same as a warning, under the policy "warn"."""


def violate(name: str, message: str, policy: Policy, first: bool | None = None) -> None:
    """Count a violation and do what the policy says; ``first``: whether it is to be warned of, else once a name."""
    violations[name] += 1
    first = violations[name] == 1 if first is None else first
    if policy == "raise":
        raise ContractViolation(message)
    if policy == "warn" and first:
        warnings.warn(message, ContractWarning, stacklevel=3)
    if policy == "log":
        log.warning(message)


def active() -> bool:
    """Whether contracts are looked at here: not while compiling, tracing, or switched off."""
    return contracts.enabled() and not torch.compiler.is_compiling() and not torch.jit.is_tracing()


def tensors_in(result: Any, path: str = "result") -> Iterator[tuple[str, Tensor]]:
    """(where, tensor) of every floating-point tensor in nested tuples, lists, dicts and named tuples."""
    if isinstance(result, Tensor):
        if result.is_floating_point():
            yield path, result
    elif isinstance(result, dict):
        for key, value in result.items():
            yield from tensors_in(value, f"{path}[{key!r}]")
    elif isinstance(result, tuple | list):
        names = getattr(result, "_fields", None)
        for i, value in enumerate(result):
            yield from tensors_in(value, f"{path}.{names[i]}" if names else f"{path}[{i}]")


def bounded(low: float, high: float, *, policy: Policy = "raise") -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Every floating-point tensor returned lies in [low, high] and is a number.

    >>> @bounded(-1, 1)
    ... def candidate(a: Tensor) -> Tensor:
    ...     return 2 * a.tanh()
    >>> candidate(torch.tensor([0.0, 9.0]))
    Traceback (most recent call last):
        ...
    rnncheck.faces.decorators.ContractViolation: candidate: result[1] = 2, but should lie in [-1, 1] (shape (2,), float32)
    """
    _known(policy)

    def decorate(fn: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(fn)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            result = fn(*args, **kwargs)
            if active():
                for where, tensor in tensors_in(result):
                    message = out_of_bounds(tensor, low, high)
                    if message:
                        violate(fn.__qualname__, f"{fn.__qualname__}: {where}{message}", policy)
            return result

        return wrapper

    return decorate


def out_of_bounds(tensor: Tensor, low: float, high: float) -> str | None:
    """``[i, j] = x, but should lie in [low, high]`` for the worst element; None where all do."""
    smallest, largest = contracts.bounds(tensor)
    if low <= smallest and largest <= high:
        return None
    values = tensor.detach()
    beyond = torch.maximum(low - values, values - high).nan_to_num(nan=torch.inf)
    at = tuple(int(i) for i in torch.unravel_index(beyond.argmax(), values.shape))
    index = f"[{', '.join(map(str, at))}]" if at else ""
    kind = str(values.dtype).removeprefix("torch.")
    return f"{index} = {values[at].item():.6g}, but should lie in [{low:g}, {high:g}] (shape {tuple(values.shape)}, {kind})"


def unit_interval(fn: Callable[P, R]) -> Callable[P, R]:
    """Every floating-point tensor returned lies in [0, 1] and is a number: a gate."""
    return bounded(0.0, 1.0)(fn)


def norm_at_most(
    argument: str,
    *,
    of: str | None = None,
    norm_type: float = 2.0,
    policy: Policy = "raise",
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """After the call the gradients' total norm is at most the argument of this name, give or take the dtype's rounding.

    of: the argument with the parameters (an iterable, a module or an optimizer); the first one if not said
    Raises TypeError at decoration where the function has no such argument.
    """
    _known(policy)

    def decorate(fn: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(fn)
        holder = of or next(iter(signature.parameters))
        for name in (argument, holder):
            if name not in signature.parameters:
                raise TypeError(f"norm_at_most({argument!r}): {fn.__qualname__} has no argument {name!r}")

        @functools.wraps(fn)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            if not active():
                return fn(*args, **kwargs)
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            parameters = parameters_of(bound.arguments[holder])
            if not isinstance(bound.arguments[holder], Tensor | torch.nn.Module | torch.optim.Optimizer):
                bound.arguments[holder] = parameters  # a generator can be read only once
            result = fn(*bound.args, **bound.kwargs)
            message = norm_above(parameters, float(bound.arguments[argument]), norm_type)
            if message:
                violate(fn.__qualname__, f"{fn.__qualname__}: {message} ({argument})", policy)
            return result

        return wrapper

    return decorate


def norm_above(parameters: Iterable[Tensor], limit: float, norm_type: float = 2.0) -> str | None:
    """What is wrong with the gradients' total norm, or None."""
    gradients = [p.grad for p in parameters if p.grad is not None and p.grad.numel()]
    if not gradients:
        return None
    vector = torch.cat([g.detach().flatten().to("cpu", torch.float64) for g in gradients])
    norm = float(torch.linalg.vector_norm(vector, norm_type))
    eps = max(torch.finfo(g.dtype).eps for g in gradients)
    if norm <= limit * (1 + 4 * eps):
        return None
    return f"the gradients' total norm = {norm:.6g} after the call, but should be at most {limit:.6g}"


def parameters_of(source: Any) -> list[Tensor]:
    """The parameters of a module, an optimizer, an iterable, or one tensor."""
    if isinstance(source, torch.nn.Module):
        return list(source.parameters())
    if isinstance(source, torch.optim.Optimizer):
        return [p for group in source.param_groups for p in group["params"]]
    return [source] if isinstance(source, Tensor) else list(source)


def sampled(rate: float, name: str) -> Callable[[], bool]:
    """A coin that falls on True at this rate, from a stream of its own; always at the first toss."""
    if not 0.0 <= rate <= 1.0:
        raise ValueError(f"sample = {rate!r}, but should be in [0, 1]")
    coin = random.Random(name)
    first = [True]

    def toss() -> bool:
        look = rate > 0 and (first[0] or coin.random() < rate)
        first[0] = first[0] and not look
        return look

    return toss


def _known(policy: str) -> None:
    if policy not in POLICIES:
        raise ValueError(f"policy = {policy!r}, but should be one of {', '.join(POLICIES)}")
