"""How to annotate a function that has no types, with its own names filled in as far as they can be guessed."""

import inspect
from collections.abc import Callable
from typing import Any

from rnncheck.reading.signature import HIDDEN, HX, INPUT
from rnncheck.reading.size_words import MORE_HIDDEN, MORE_INPUT

SEQUENCES = {
    "x", "q", "k", "v", "query", "key", "value", "queries", "keys", "values", "inputs", "input", "seq", "sequence", "tokens", "g",
    "a", "b", "beta", "gate", "gates", "forget", "decay", "decays", "log_decay", "xs", "u", "w", "r", "i", "f", "dt", "delta",
}  # fmt: skip
"""Names that arguments with a time axis have."""
SIZES = {*INPUT, *HIDDEN, *MORE_INPUT, *MORE_HIDDEN} - SEQUENCES
"""Names that sizes have, which a factory takes."""


def without_types(function: Callable[..., Any], name: str) -> str | None:
    """Return how to annotate a function whose names say that it is called with sequences; None for what may be a factory."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    needed = [one.name for one in parameters if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    annotated = any(one.annotation is not one.empty for one in parameters)
    if annotated or not needed or set(needed) & SIZES or needed[0] not in SEQUENCES:
        return None
    shown = [_shown(one) for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    states = [one for one in parameters if _is_state(one)]
    back = ['Float[Tensor, "batch time value"]', *('Float[Tensor, "batch key value"]' for _ in states)]
    result = back[0] if len(back) == 1 else f"tuple[{', '.join(back)}]"
    call = f"def {function.__name__}({', '.join(shown)}) -> {result}: ..."
    return f"{name}: is a function without types; annotate it, or a stub for --typed: from jaxtyping import Float; {call}"


def _is_state(one: inspect.Parameter) -> bool:
    return one.name in HX or "initial" in one.name or "state" in one.name or one.name.endswith("_0")


def _shown(one: inspect.Parameter) -> str:
    """The parameter with the type that its name speaks of."""
    if _is_state(one):
        return f'{one.name}: Float[Tensor, "batch key value"] | None = None'
    if one.default is one.empty:
        return f'{one.name}: Float[Tensor, "batch time {"value" if one.name == "v" else "key"}"]'
    kind = type(one.default).__name__ if isinstance(one.default, bool | int | float | str) else "…"
    return f"{one.name}: {kind} = {one.default!r}"
