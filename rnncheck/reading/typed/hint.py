"""How to annotate a function or module that has no types, with its own names filled in as far as they can be guessed."""

import inspect
from typing import Any

from torch import nn

from rnncheck.reading.constructor.size_words import MORE_HIDDEN, MORE_INPUT
from rnncheck.reading.signature import HIDDEN, HX, INPUT, LENGTHS, forward_of
from rnncheck.reading.typed import source

BESIDE = {
    "k", "v", "key", "value", "keys", "values", "g", "beta", "gate", "gates", "forget", "decay", "decays", "log_decay", "dt",
    "delta", "timespans", "time_spans",
}  # fmt: skip
"""Names that sequences beside the first have, and states never."""
SEQUENCES = BESIDE | {
    "x", "q", "query", "queries", "inputs", "input", "seq", "sequence", "tokens", "hidden_states", "a", "b", "xs", "u", "w", "r",
    "i", "f", "input_ids", "inputs_embeds",
}  # fmt: skip
"""Names that arguments with a time axis have."""
SIZES = {*INPUT, *HIDDEN, *MORE_INPUT, *MORE_HIDDEN} - SEQUENCES
"""Names that sizes have, which a factory takes."""
VALUES = {"v", "value", "values"}
CX = ("cx", "c0", "c_prev", "cell_state")
"""What an LSTM's second state is called."""
MASKS = {"mask", "attention_mask", "padding_mask"}


def without_types(target: Any, name: str) -> str | None:
    """Return how to annotate what is called with sequences, as its names say; None for what may be a factory, or can be read."""
    module = isinstance(target, nn.Module) or (isinstance(target, type) and issubclass(target, nn.Module))
    kind: Any = target if isinstance(target, type) else type(target)
    function = forward_of(kind) if module else target
    try:
        parameters = [one for one in inspect.signature(function).parameters.values() if one.name != "self"]
    except (TypeError, ValueError):
        return None
    parameters = [one for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    needed = [one.name for one in parameters if one.default is one.empty]
    if module and not (len(needed) > 1 and needed[0] in SEQUENCES and set(needed[1:]) <= SEQUENCES and needed[1] in BESIDE):
        return None
    if any(one.annotation in (int, "int") for one in parameters if one.default is one.empty) or set(needed) & SIZES:
        return None
    states = [one for one in parameters if _is_state(one)]
    if needed and needed[0] in {one.name for one in states} and set(needed[1:]) & SEQUENCES and not module:
        return f"{name}: {_step(function, parameters)}"
    if not needed or needed[0] not in SEQUENCES:
        return None
    axes = ("key", "value") if {one.name for one in parameters} & VALUES else ("units", "units")
    carried = " ".join(dict.fromkeys(axes))
    tree = source.tree_of(function)
    front = "time batch" if source.goes_through(tree, needed[0]) else "batch time"
    others = [name for name in needed[1:] if name not in {one.name for one in states}]
    told = {name: source.weight_axes(tree, name) for name in (source.weights_among(others) if states else [])}
    told |= {needed[0]: f"{front} features"} if told else {}
    shown = [
        f'{one.name}: Float[Tensor, "{told[one.name]}"]' if one.name in told else _shown(one, axes, carried, front)
        for one in parameters
    ]
    finals = [f'Float[Tensor, "batch {carried}"]' for _ in states]
    finals = [f"tuple[{', '.join(finals)}]"] if source.states_together(tree, len(states)) else finals
    back = [f'Float[Tensor, "{front} {axes[1]}"]', *finals]
    result = back[0] if len(back) == 1 else f"tuple[{', '.join(back)}]"
    call = f"def {function.__name__}({', '.join([*(['self'] if module else []), *shown])}) -> {result}: ..."
    what = "module whose forward is" if module else "function"
    types = ", ".join(word for word in ("Bool", "Float", "Int") if f"{word}[" in call)
    return f"{name}: is a {what} without types; annotate it, or a stub for --typed: from jaxtyping import {types}; {call}"


def _is_state(one: inspect.Parameter) -> bool:
    named = one.name in (*HX, *CX) or "initial" in one.name or one.name.endswith("_0")
    return (named or one.name.split("_")[-1] in ("state", "cache")) and one.name not in SEQUENCES


def _step(function: Any, parameters: list[inspect.Parameter]) -> str:
    """How to annotate what looks like one step."""
    given = [f'{one.name}: Float[Tensor, "batch units"]' for one in parameters if one.default is one.empty]
    back = 'tuple[Float[Tensor, "batch units"], Float[Tensor, "batch units"]]'
    return (
        "looks like one step without types; annotate it, and give rnncheck.scan of it: from jaxtyping import Float; "
        f"def {function.__name__}({', '.join(given)}) -> {back}: ...; sequence = rnncheck.scan({function.__name__})"
    )


def _shown(one: inspect.Parameter, axes: tuple[str, str], carried: str, front: str) -> str:
    """The parameter with the type that its name speaks of; one with another default stays at it."""
    if _is_state(one):
        return f'{one.name}: Float[Tensor, "batch {carried}"]' + ("" if one.default is one.empty else " | None = None")
    default = "" if one.default is one.empty else f" = {one.default!r}"
    if one.name in MASKS:
        return f'{one.name}: Bool[Tensor, "{front}"]' + (" | None = None" if default else "")
    if one.name in LENGTHS:
        return f'{one.name}: Int[Tensor, "batch"]' + (" | None = None" if default else "")
    if not default:
        return f'{one.name}: Float[Tensor, "{front} {axes[1] if one.name in VALUES else axes[0]}"]'
    kind = type(one.default).__name__
    return f"{one.name}: {kind}{default}" if isinstance(one.default, bool | int | float | str) else f"{one.name}={one.default!r}"
