"""Contracts for code that runs: gates in [0, 1], bounded results, clipped gradients, agreement with a reference.

Each steps aside where a call is compiled, exported or traced, and while ``rnncheck.typechecked.checking(False)``.
What happens on a violation is a policy: "raise" ContractViolation, "warn" once per function, "log", or "count".
"""

import dataclasses
import functools
import inspect
import logging
import random
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import ceil, inf, isnan
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

import torch
from torch import Tensor

from rnncheck import typechecked
from rnncheck.typechecked import name_of, on_functions

P = ParamSpec("P")
R = TypeVar("R")
Policy = Literal["raise", "warn", "log", "count"]
NOT_THE_USERS = (str(Path(__file__).parent.parent), str(Path(torch.__file__).parent))
"""Where the files of this package and of torch lie."""
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
        warnings.warn(message, ContractWarning, stacklevel=users_level())
    if policy == "log":
        log.warning(message)


def users_level() -> int:
    """Return the stacklevel, for a warning in the calling function, of the first line that is neither ours nor torch's."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(NOT_THE_USERS):
        frame, level = frame.f_back, level + 1
    return level


def active() -> bool:
    """Return whether contracts are checked here: not while compiling, tracing, or switched off."""
    return typechecked.enabled() and not typechecked.being_traced()


def values_in(result: Any, path: str = "result") -> Iterator[tuple[str, Tensor]]:
    """(where, tensor) of every tensor and number in nested tuples, lists, dicts, named tuples and dataclasses."""
    if isinstance(result, Tensor):
        yield path, result
    elif isinstance(result, int | float):
        yield path, torch.tensor(result, dtype=torch.float64 if isinstance(result, float) else None)
    elif isinstance(result, Mapping):
        for key, value in result.items():
            yield from values_in(value, f"{path}[{key!r}]")
    elif isinstance(result, tuple | list):
        names = getattr(result, "_fields", None)
        for i, value in enumerate(result):
            yield from values_in(value, f"{path}.{names[i]}" if names else f"{path}[{i}]")
    elif dataclasses.is_dataclass(result) and not isinstance(result, type):
        for field in dataclasses.fields(result):
            yield from values_in(getattr(result, field.name), f"{path}.{field.name}")


def bounded(low: float, high: float, *, policy: Policy = "raise") -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Check that the function returns a floating-point tensor, and that each lies in [low, high] and has no NaN.

    Tensors are found inside tuples, lists, dicts, named tuples and dataclasses. Integers (lengths, indices) are checked only
    where there is nothing else. Raises ValueError if no number could lie in [low, high], and TypeError for anything but a
    plain function or method.

    Examples:
        >>> @bounded(-1, 1)
        ... def candidate(a: Tensor) -> Tensor:
        ...     return 2 * a.tanh()
        >>> candidate(torch.tensor([0.0, 9.0]))
        Traceback (most recent call last):
            ...
        rnncheck.runtime.contracts.ContractViolation: candidate: result[1] = 2, but should lie in [-1, 1] (shape (2,), float32)
    """
    known(policy)
    if not low <= high:
        raise ValueError(f"bounded({low!r}, {high!r}): low should be at most high")

    def decorate(fn: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(fn)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            result = fn(*args, **kwargs)
            if active() and (message := _out_of_bounds(result, low, high)) is not None:
                violate(name_of(fn), f"{name_of(fn)}: {message}", policy)
            return result

        return wrapper

    return on_functions(f"bounded({low:g}, {high:g})", decorate)


def _out_of_bounds(result: Any, low: float, high: float) -> str | None:
    """What is wrong with a result, or None."""
    values = list(values_in(result))
    found = [(where, tensor) for where, tensor in values if tensor.is_floating_point()] or values
    if not found:
        return f"returned {type(result).__name__}, but should return a tensor that can lie in [{low:g}, {high:g}]"
    told = (f"{where}{message}" for where, tensor in found if (message := out_of_bounds(tensor, low, high)) is not None)
    return next(told, None)


def out_of_bounds(tensor: Tensor, low: float, high: float) -> str | None:
    """``[i, j] = x, but should lie in [low, high]`` for the worst element; None where all that can be seen do."""
    kind = str(tensor.dtype).removeprefix("torch.")
    if tensor.is_complex():
        return f" is {kind}, but should lie in [{low:g}, {high:g}]"
    if typechecked.within(tensor, low, high):
        return None
    values = typechecked.seen_through(tensor)
    wide = values.double() if values.device.type != "mps" else values.float()
    beyond = torch.maximum(low - wide, wide - high).nan_to_num(nan=torch.inf)
    at = tuple(int(i) for i in torch.unravel_index(beyond.argmax(), values.shape))
    index = f"[{', '.join(map(str, at))}]" if at else ""
    return f"{index} = {values[at].item():.6g}, but should lie in [{low:g}, {high:g}] (shape {tuple(values.shape)}, {kind})"


def unit_interval(fn: Callable[P, R]) -> Callable[P, R]:
    """Check that every floating-point tensor returned lies in [0, 1], as a gate does: ``bounded(0, 1)``."""
    return bounded(0.0, 1.0)(fn)


def norm_at_most(
    argument: str,
    *,
    of: str | None = None,
    norm_type: float = 2.0,
    policy: Policy = "raise",
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Check that after the call the gradients' total norm is at most the argument of this name, up to the dtype's rounding.

    Args:
        argument: the name of the argument that says how large the norm may be
        of: the argument with the parameters (an iterable, a dict, a module or an optimizer); by default the first one, after
            a self that is none of these

    Raises TypeError at decoration where the function has no such argument.
    """
    known(policy)

    def decorate(fn: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(fn)
        names = list(signature.parameters)
        for name in (argument, *([of] if of else [])):
            if name not in names:
                raise TypeError(f"norm_at_most({argument!r}): {name_of(fn)} has no argument {name!r}")

        @functools.wraps(fn)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            if not active():
                return fn(*args, **kwargs)
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            holder = of or _holder(bound.arguments)
            parameters = parameters_of(bound.arguments[holder], f"{name_of(fn)}: {holder}")
            if isinstance(bound.arguments[holder], Iterator):
                bound.arguments[holder] = parameters  # a generator can be read only once
            result = fn(*bound.args, **bound.kwargs)
            message = norm_above(parameters, float(bound.arguments[argument]), norm_type)
            if message:
                violate(name_of(fn), f"{name_of(fn)}: {message} ({argument})", policy)
            return result

        return wrapper

    return on_functions(f"norm_at_most({argument!r})", decorate)


def _holder(arguments: Mapping[str, Any]) -> str:
    """The first argument, or the second after a self that holds no parameters by itself."""
    first, *others = arguments
    holds = isinstance(arguments[first], torch.nn.Module | torch.optim.Optimizer | Iterable)
    return others[0] if first == "self" and others and not holds else first


def norm_above(parameters: Iterable[Tensor], limit: float, norm_type: float = 2.0) -> str | None:
    """What is wrong with the gradients' total norm, or None."""
    gradients = [p.grad for p in parameters if p.grad is not None and p.grad.numel()]
    if not gradients:
        return None
    norms = torch.tensor([_norm(g, norm_type) for g in gradients], dtype=torch.float64)
    norm = float(norms.sum() if norm_type == 0 else torch.linalg.vector_norm(norms, norm_type))
    eps = max(torch.finfo(g.dtype).eps for g in gradients)
    if norm <= limit * (1 + 4 * eps):
        return None
    return f"the gradients' total norm = {norm:.6g} after the call, but should be at most {limit:.6g}"


def _norm(gradient: Tensor, norm_type: float) -> float:
    """Where the gradient lies, in double precision where there is such."""
    wide = torch.float32 if gradient.device.type == "mps" else torch.float64
    return float(torch.linalg.vector_norm(typechecked.seen_through(gradient), norm_type, dtype=wide))


def parameters_of(source: Any, what: str = "the parameters") -> list[Tensor]:
    """The parameters of a module, an optimizer, a dict, an iterable, or one tensor; raises TypeError for anything else."""
    if isinstance(source, torch.nn.Module):
        return list(source.parameters())
    if isinstance(source, torch.optim.Optimizer):
        return [p for group in source.param_groups for p in group["params"]]
    if isinstance(source, Tensor):
        return [source]
    found = list(source.values() if isinstance(source, Mapping) else source) if isinstance(source, Iterable) else [source]
    strange = next((part for part in found if not isinstance(part, Tensor)), None)
    if strange is not None:
        raise TypeError(f"{what} holds {type(strange).__name__}, but should hold tensors; say which argument does with of=…")
    return found


class Coin:
    """Falls on True at the first toss, and once in every 1/rate tosses that follow, at a random place of a stream of its own.

    >>> toss = Coin(0.5, "name")
    >>> toss()
    True
    >>> sum(toss() for _ in range(100))
    50
    """

    def __init__(self, rate: float, name: str) -> None:
        if isnan(rate) or not 0.0 <= rate <= 1.0:
            raise ValueError(f"sample = {rate!r}, but should be in [0, 1]")
        self.rate, self.tosses, self._stream = rate, 0, random.Random(name)
        self._fallen, self._next = 0, 1.0 if rate else inf

    def __call__(self) -> bool:
        self.tosses += 1
        if self.tosses < self._next:
            return False
        self._next = max(self.tosses + 1, 1 + ceil((self._fallen + self._stream.random()) / self.rate))
        self._fallen += 1
        return True


def known(policy: str) -> None:
    """Raises ValueError unless it is a policy."""
    if policy not in POLICIES:
        raise ValueError(f"policy = {policy!r}, but should be one of {', '.join(POLICIES)}")
