"""Shapes are types: the decorator that checks a function's jaxtyping annotations at its door."""

import functools
import inspect
import os
import types
import typing
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import torch
from beartype import BeartypeConf, beartype
from beartype.door import is_bearable
from jaxtyping import TypeCheckError, jaxtyped
from torch import Tensor
from torch._subclasses import FakeTensor

P = ParamSpec("P")
R = TypeVar("R")

CONF = BeartypeConf(is_random=False)
"""beartype looks at one item of a list; by default it draws which from Python's global random state."""

_enabled = os.environ.get("RNNCHECK_DISABLE", "0") in ("", "0")


def enabled() -> bool:
    """Whether checks are on in this process."""
    return _enabled


class checking:
    """Turns every ``checked`` function of this process on or off; in a ``with`` statement, until its end.

    Where the process starts is decided by the environment variable ``RNNCHECK_DISABLE``: 1 turns the checks off.

    >>> with checking(False):
    ...     pass  # what is called here is not checked
    """

    def __init__(self, enabled: bool) -> None:
        global _enabled
        self._before, _enabled = _enabled, enabled

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exception: object) -> None:
        global _enabled
        _enabled = self._before


def checked(fn: Callable[P, R]) -> Callable[P, R]:
    """The same function, with its annotations enforced by jaxtyping and beartype at each call.

    Axis names are bound across all arguments and the result, and across the fields of a returned NamedTuple. Put it
    on a function or a method, below ``staticmethod`` or ``classmethod``; on whole layers and cells rather than on the
    step inside a loop, for a call costs some 30 microseconds more (next to nothing while the checks are off).

    It steps aside under torch.compile, torch.export and torch.jit.trace, where a jaxtyping check is evaluated on
    something that is no tensor and lies. Under vmap it sees the shape of one example.

    Raises jaxtyping.TypeCheckError (a TypeError) at the call; TypeError at once if nothing is annotated, and at the
    first call if an annotation is a string that does not resolve: neither could ever fail.

    >>> from jaxtyping import Float
    >>> from torch import Tensor
    >>> @checked
    ... def readout(h: Float[Tensor, "batch hidden"], w: Float[Tensor, " hidden"]) -> Float[Tensor, " batch"]:
    ...     return h @ w
    >>> readout(torch.ones(2, 3), torch.ones(3))
    tensor([3., 3.])
    >>> readout(torch.ones(2, 3), torch.ones(4))
    Traceback (most recent call last):
        ...
    jaxtyping.TypeCheckError: Type-check error whilst checking the parameters of ...readout...
    """
    if not getattr(fn, "__annotations__", None):
        raise TypeError(f"{_name(fn)} has no annotations: there is nothing to check")
    typed: Callable[P, R] | None = None

    @functools.wraps(fn)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        nonlocal typed
        if torch.compiler.is_compiling() or not _enabled or torch.jit.is_tracing():
            return fn(*args, **kwargs)
        if typed is None:  # at the first call, when every name in an annotation is defined
            typed = _typed(fn)
        return typed(*args, **kwargs)

    return wrapper


def _typed(fn: Callable[P, R]) -> Callable[P, R]:
    """fn inside a jaxtyping context of its own.

    The result is checked here and not by jaxtyping, which would check the arguments a second time with it and would
    look at no field of a NamedTuple.
    """
    signature = _resolved_signature(fn)

    @functools.wraps(fn)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        result = fn(*args, **kwargs)
        _check_result(result, signature.return_annotation, _name(fn))
        return result

    inner.__signature__ = signature.replace(return_annotation=inspect.Signature.empty)  # type: ignore[attr-defined]
    return jaxtyped(typechecker=beartype(conf=CONF))(inner)


def _resolved_signature(fn: Callable[..., Any]) -> inspect.Signature:
    """fn's signature with annotations that are strings evaluated: jaxtyping would skip them."""
    signature = inspect.signature(fn)
    if not any(isinstance(hint, str) for hint in fn.__annotations__.values()):
        return signature
    try:
        hints = typing.get_type_hints(fn, include_extras=True)
    except NameError as error:
        raise TypeError(f"an annotation of {_name(fn)} cannot be checked: {error}") from error
    parameters = [p.replace(annotation=hints.get(p.name, p.annotation)) for p in signature.parameters.values()]
    return signature.replace(parameters=parameters, return_annotation=hints.get("return", inspect.Signature.empty))


def _check_result(result: object, hint: Any, name: str) -> None:
    """The result against its annotation, and the fields of a NamedTuple against theirs; with the axes bound so far."""
    if hint is not inspect.Signature.empty and not is_bearable(result, hint, conf=CONF):
        raise TypeCheckError(f"{name} returned {_seen(result)}, but should return {_spelled(hint)}")
    cls: Any = type(result)
    for field, field_hint in _field_hints(cls).items():
        value = getattr(result, field)
        if not is_bearable(value, field_hint, conf=CONF):
            raise TypeCheckError(f"{name} returned {field} = {_seen(value)}, but should be {_spelled(field_hint)}")


@functools.lru_cache(maxsize=256)
def _field_hints(cls: type[Any]) -> dict[str, Any]:
    if not (issubclass(cls, tuple) and hasattr(cls, "_fields")):
        return {}
    return typing.get_type_hints(cls, include_extras=True)


def _seen(value: object) -> str:
    """Tensors in a few words, anything else as it is."""
    if isinstance(value, tuple):
        return f"({', '.join(map(_seen, value))})"
    if not isinstance(value, Tensor):
        return repr(value)
    low, high = bounds(value)
    return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)} with elements from {low:g} to {high:g}"


def _spelled(hint: Any) -> str:
    """A hint as it was written: Float[Tensor, 'batch hidden'] and Is[in_unit_interval]."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return " | ".join(map(_spelled, arguments))
    if origin is typing.Annotated:
        return " and ".join([_spelled(hint.__origin__), *map(str, hint.__metadata__)])
    if origin is tuple:
        return f"({', '.join(map(_spelled, arguments))})"
    return getattr(hint, "__name__", repr(hint))


def bounds(values: Tensor) -> tuple[float, float]:
    """(smallest, largest) element, NaN if one is; (0, 0) where there is none to see: empty, meta and fake tensors.

    Under vmap, jvp and grad it looks through to the elements of all examples.
    """
    values = torch.func.debug_unwrap(values.detach())
    if values.numel() == 0 or values.is_meta or isinstance(values, FakeTensor):
        return 0.0, 0.0
    low, high = torch.aminmax(values)
    return low.item(), high.item()


def _name(fn: Callable[..., Any]) -> str:
    return f"{fn.__module__}.{fn.__qualname__}"
