"""Shapes are types: the decorator that checks a function's jaxtyping annotations at its door."""

import functools
import inspect
import os
import re
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

from rnncheck.older_torch import debug_unwrap, is_fx_symbolic_tracing

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
    """Return the same function, with its annotations enforced by jaxtyping and beartype at each call.

    Axis names are bound across all arguments and the result, and across the fields of a returned NamedTuple. Put it
    on a function or a method, below ``staticmethod`` or ``classmethod``; on whole layers and cells rather than on the
    step inside a loop, for a call costs some 30 microseconds more (next to nothing while the checks are off).

    It does nothing under torch.compile, torch.export, torch.jit.trace and torch.fx, where a jaxtyping check would see something
    other than a tensor and give a wrong answer. Under vmap it sees the shape of one example.

    Raises jaxtyping.TypeCheckError (a TypeError) at the call; TypeError at once if nothing is annotated, or if it is a
    coroutine, a generator or a class, and at the first call if an annotation is a string that does not resolve: none of
    these could ever fail.

    Examples:
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
    return on_functions("checked", _checked)(fn)


def on_functions(decorator: str, decorate: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """``decorate`` for functions, also for those inside a staticmethod, classmethod or property.

    Raises TypeError for what it would see nothing of: a coroutine's or generator's result does not exist yet when the call
    returns, and a class or module is called in many ways.
    """

    def outer(target: Any) -> Any:
        if isinstance(target, staticmethod | classmethod):
            return type(target)(outer(target.__func__))
        if isinstance(target, property):
            return target.getter(outer(target.fget))
        kinds = {
            "a coroutine or generator: decorate the function that makes its values": _is_lazy(target),
            "a class: decorate its methods": inspect.isclass(target),
            "a module: decorate the forward of its class": isinstance(target, torch.nn.Module),
            "not a function": not callable(target),
        }
        for what, is_so in kinds.items():
            if is_so:
                raise TypeError(f"{decorator}: {name_of(target)} is {what}")
        return decorate(target)

    return outer


def _is_lazy(fn: Any) -> bool:
    return inspect.iscoroutinefunction(fn) or inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn)


def name_of(fn: Any) -> str:
    """The name to call a function by; a partial goes by its function's."""
    fn = fn.func if isinstance(fn, functools.partial) else fn
    if inspect.isbuiltin(fn):
        return fn.__name__
    return str(getattr(fn, "__qualname__", None) or type(fn).__qualname__)


def being_traced() -> bool:
    """Whether a call is recorded or compiled here rather than made: what it is given has no values."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing() or is_fx_symbolic_tracing()


def transformed() -> bool:
    """Whether this is inside vmap, grad, jvp or another transformation of functions."""
    return torch._C._functorch.peek_interpreter_stack() is not None


def _checked(fn: Callable[P, R]) -> Callable[P, R]:
    if not getattr(fn, "__annotations__", None):
        raise TypeError(f"{_name(fn)} has no annotations: there is nothing to check")
    typed: Callable[P, R] | None = None

    @functools.wraps(fn)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        nonlocal typed
        if not _enabled or being_traced():
            return fn(*args, **kwargs)
        if typed is None:  # at the first call, when every name in an annotation is defined
            typed = _typed(fn)
        try:
            return typed(*args, **kwargs)
        except TypeCheckError as error:
            _tell_values(error, fn, args, kwargs)
            raise

    return wrapper


def _tell_values(error: TypeCheckError, fn: Callable[..., Any], args: Any, kwargs: Any) -> None:
    """Add the smallest and largest element of the argument in question, where it is an argument of fn's."""
    text = str(error)
    found = re.search(r"typechecking parameter '(\w+)'", text)
    if found is None or not text.startswith(f"Type-check error whilst checking the parameters of {_name(fn)}."):
        return
    value = inspect.signature(fn).bind(*args, **kwargs).arguments.get(found[1])
    if isinstance(value, Tensor) and (seen := bounds(value)) is not None:
        error.args = (f"{text}\nThe elements of {found[1]!r} go from {seen[0]:g} to {seen[1]:g}.",)


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
    seen = bounds(value)
    elements = "" if seen is None else f" with elements from {seen[0]:g} to {seen[1]:g}"
    return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}{elements}"


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


def bounds(values: Tensor) -> tuple[float, float] | None:
    """(smallest, largest) element, NaN if one is; None where there is none to see, or it is no real number.

    There is none in empty, meta and fake tensors, and while the operations on tensors are recorded (make_fx). Under vmap,
    jvp and grad it looks through to the elements of all examples.
    """
    values = seen_through(values)
    if values.numel() == 0 or values.is_meta or values.is_complex() or isinstance(values, FakeTensor):
        return None
    if torch._C._len_torch_dispatch_stack():  # a mode that records or counts operations: ours are none of its business
        return None
    low, high = torch.aminmax(values.to(torch.uint8) if values.dtype == torch.bool else values)
    return float(low.item()), float(high.item())


def within(values: Tensor, low: float, high: float) -> bool:
    """Whether every element that can be seen lies in [low, high]; NaN does not."""
    seen = bounds(values)
    return seen is None or (low <= seen[0] and seen[1] <= high)


def seen_through(values: Tensor) -> Tensor:
    """The plain tensor inside what vmap, jvp and grad wrap, dense, without a graph."""
    plain = debug_unwrap(values.detach())
    return plain if plain.layout == torch.strided else plain.to_dense()


def _name(fn: Callable[..., Any]) -> str:
    return f"{getattr(fn, '__module__', '?')}.{name_of(fn)}"
