"""What a constructor or a forward can be given, read off its signature."""

import functools
import inspect
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

INPUT = ("input_size", "input_dim", "in_features", "input_features", "num_inputs", "n_inputs", "n_input", "in_dim")
HIDDEN = ("hidden_size", "hidden_dim", "hidden_features", "num_hiddens", "n_hidden", "hid_dim", "hid_size", "units")
"""What the two sizes are called, torch's words first."""
HX = (
    "hx",
    "h_0",
    "h0",
    "hidden",
    "state",
    "states",
    "hidden_state",
    "initial_state",
    "init_state",
    "state_init",
    "hc",
    "h",
    "h_prev",
    "prev_state",
    "init_states",
    "initial_states",
)
"""What the initial state is called, torch's word first."""
LENGTHS = ("lengths", "seq_lengths", "sequence_lengths", "seq_lens", "lens", "x_lens", "input_lengths")
"""What the lengths of padded sequences are called."""
NOT_HX = (*LENGTHS, "mask", "padding_mask", "batch_sizes")


@dataclass(frozen=True)
class Signature:
    """names: parameters that can be given by keyword; positional: those that can be given by position.

    others: whether ** takes any other name; defaults: of the parameters that have one
    """

    names: frozenset[str]
    positional: tuple[str, ...]
    others: bool
    defaults: Mapping[str, Any]

    @classmethod
    def of(cls, function: Callable[..., Any]) -> "Signature":
        """What ``function`` declares; a builtin that does not tell may take anything."""
        try:
            known = inspect.signature(function).parameters
        except (TypeError, ValueError):
            return cls(frozenset(), (), True, {})
        by_name = {p.name for p in known.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        bound = dict(function.keywords) if isinstance(function, functools.partial) else {}
        positional = tuple(p.name for p in known.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))
        defaults = {p.name: p.default for p in known.values() if p.default is not p.empty} | bound
        others = any(p.kind is p.VAR_KEYWORD for p in known.values())
        return cls(frozenset(by_name | bound.keys()), positional, others, defaults)

    def takes(self, name: str) -> Literal["yes", "maybe", "no"]:
        """Whether an argument of this name is taken; "maybe" where only ** would take it."""
        return "yes" if name in self.names else "maybe" if self.others else "no"

    def size_names(self) -> tuple[str, str] | None:
        """What the input size and the hidden size are called, None where they go by position."""
        found = [next((name for name in words if name in self.names), None) for words in (INPUT, HIDDEN)]
        return (found[0], found[1]) if found[0] and found[1] else None


@dataclass(frozen=True)
class HxArgument:
    """How a forward is given the initial state.

    keyword: None where it is the second argument; given: "no" where there is none; needed: whether it must be given
    """

    given: Literal["yes", "maybe", "no"]
    keyword: str | None = None
    needed: bool = False


@functools.lru_cache(maxsize=256)
def hx_argument(forward: Callable[..., Any]) -> HxArgument:
    """How ``forward`` (unbound: self counts) is given the initial state.

    >>> import torch
    >>> hx_argument(torch.nn.LSTM.forward)
    HxArgument(given='yes', keyword=None, needed=False)
    """
    signature = Signature.of(forward)
    second = signature.positional[2] if len(signature.positional) > 2 else None
    named = next((name for name in HX if name in signature.names), None)
    if second is not None and (second in HX or named is None) and second not in NOT_HX:
        return HxArgument("yes", None, second not in signature.defaults)
    if named is not None:
        return HxArgument("yes", named, named not in signature.defaults)
    return HxArgument("maybe" if signature.others or _any_positional(forward) else "no")


@functools.lru_cache(maxsize=256)
def lengths_argument(forward: Callable[..., Any]) -> str | None:
    """The keyword under which ``forward`` takes the lengths of padded sequences, None where it takes none."""
    names = Signature.of(forward).names
    return next((name for name in LENGTHS if name in names), None)


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the parameters, their annotations as objects rather than text where the function's module knows the names."""
    if isinstance(function, types.MethodType) and isinstance(function.__func__, types.FunctionType):
        first, *rest = _own_parameters(function.__func__) or (None,)
        return [first, *rest] if first is not None and first.kind is first.VAR_POSITIONAL else rest
    inner = function.func if isinstance(function, functools.partial) else function
    names = vars(sys.modules.get(getattr(inner, "__module__", None) or "", inspect))
    return [p.replace(annotation=_meant(p.annotation, names)) for p in inspect.signature(function).parameters.values()]


@functools.lru_cache(maxsize=256)  # a call is tried in thousands of ways
def _own_parameters(function: types.FunctionType) -> tuple[inspect.Parameter, ...]:
    return tuple(parameters_of(function))


def _meant(annotation: Any, names: Mapping[str, Any]) -> Any:
    try:
        return eval(annotation, dict(names)) if isinstance(annotation, str) else annotation
    except Exception:  # it names what only a type checker sees
        return annotation


def _any_positional(forward: Callable[..., Any]) -> bool:
    try:
        return any(p.kind is p.VAR_POSITIONAL for p in inspect.signature(forward).parameters.values())
    except (TypeError, ValueError):
        return True


def forward_of(module: object) -> Callable[..., Any]:
    """Return the unbound function that a call of ``module``, or of an object of this class, ends in.

    What TorchScript compiled has the signature of what was compiled.
    """
    kind = module if isinstance(module, type) else type(module)
    written: Any = getattr(kind, "_methods", {}).get("forward")
    if hasattr(written, "original_method"):  # of a class of torch.jit.ScriptModule
        original: Callable[..., Any] = written.original_method
        return original
    compiled = None if isinstance(module, type) else getattr(getattr(module, "forward", None), "schema", None)
    if compiled is not None:
        return _of_schema(compiled)
    forward: Callable[..., Any] = getattr(kind, "forward", None) or kind.__call__
    return forward


def _of_schema(schema: Any) -> Callable[..., Any]:
    """A function with the parameters of a compiled method."""

    def forward(*arguments: Any) -> None:
        raise NotImplementedError

    given = [(one.name, one.default_value if one.has_default_value() else inspect.Parameter.empty) for one in schema.arguments]
    named = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default) for name, default in given]
    forward.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]
    return forward
