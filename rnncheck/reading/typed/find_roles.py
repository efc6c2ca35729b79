"""From the annotations of a function to its roles; what cannot be told is one line that says what to write."""

import inspect
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

from rnncheck.errors import UsageError
from rnncheck.reading.typed.annotations import (
    Leaf,
    Node,
    Opaque,
    Path,
    Tree,
    Unreadable,
    choices_of,
    hints_of,
    is_switch,
    leaves,
    left_out,
    opaque_places,
    optional,
    said,
    tree_of,
    why_unreadable,
)
from rnncheck.reading.typed.caches import Cache, cache_of, side_by_side
from rnncheck.reading.typed.carried import carried_whole
from rnncheck.reading.typed.find_states import axes_of, is_called_state, states_of
from rnncheck.reading.typed.find_time import batch_axis, time_axis
from rnncheck.reading.typed.not_understood import check_has_axes, check_has_rows, check_named_each, how_to_say
from rnncheck.reading.typed.positions import position_of
from rnncheck.reading.typed.ragged import ragged_of
from rnncheck.reading.typed.resets import as_flags
from rnncheck.reading.typed.roles import Argument, Roles, is_flag
from rnncheck.reading.typed.sizes import axis_for
from rnncheck.reading.typed.spelling import check_spelling

RETURNS, STATE_WORDS = ("return", "output", "use"), {"state", "states", "hidden", "cache", "hx"}
"""How an option begins, and words that it has, without which no state comes back: it is True unless a Literal says otherwise."""
BESIDE = (Any, bool, float, int, str)
"""Types of what comes back beside outputs and states, and is not looked at."""


def roles_of(function: Callable[..., Any], name: str, time: str | None = None) -> Roles:
    """Return the roles in a function that is annotated; raises UsageError where they cannot be told."""
    unreadable = why_unreadable(function)
    if unreadable is not None:
        raise UsageError(f"{name}: {unreadable}")
    check_named_each(function, name)
    hints = hints_of(function)
    taken = [_argument(one, hints, name) for one in _taken(function)]
    telling = [(one, found) for one in taken if (found := ragged_of(one.name, one.tensors, name))]
    ragged = replace(telling[0][1], needed=telling[0][0].needed) if telling else None
    carried = [one for one in taken if isinstance(one.tree, Opaque)]
    arguments = [one for one in taken if one not in [*carried, *(one for one, _ in telling)]]
    axes = list(dict.fromkeys(axis for one in arguments for leaf in one.tensors for axis in leaf.axes))
    if not axes:
        first = next((one.name for one in arguments), "x")
        raise UsageError(f'{name}: no argument has named axes; write {first}: Float[Tensor, "batch time …"], and so on')
    check_has_axes(name, arguments)
    unread = tuple(one.tree.kind for one in carried if isinstance(one.tree, Opaque))
    result = _result(hints, name, unread)
    of_first_result = next((leaf.axes for _, leaf in leaves(result)), ())
    t = time_axis(name, axes, time, of_first_result, lambda axis: roles_of(function, name, axis))
    b = batch_axis([one for one in arguments if one.has(t)], axes, t)
    check_spelling(name, arguments, t, b)
    arguments = [as_flags(one, t, b, name) for one in arguments]
    _check_once(name, [(one.name, leaf) for one in arguments for leaf in one.tensors], (t, b))
    if len(telling) > 1 and telling[1][0].needed:
        raise UsageError(f"{name}: {telling[0][0].name} and {telling[1][0].name} both say the lengths; give one of them a default")
    outputs, candidates = _results_of(result, name, t)
    _check_once(name, [("a result", leaf) for _, leaf in (*outputs, *candidates)], (t, b))
    cache = _cache(name, carried, result, axes)
    counts = [one for one in arguments if one.has(t) and _counts(one)]  # such as positions, and ids of tokens
    if any(one.has(t) for one in arguments if one not in counts):
        counts = [one for one in counts if not one.needed]
        arguments = [one for one in arguments if one not in counts]
    sequences = [one for one in arguments if one.has(t)]
    _check_sequences(name, sequences, b)
    others = [one for one in arguments if one.tree is not None and one not in sequences]
    rows = {axis for axis in (b, None if ragged is None else ragged.rows) if axis is not None}
    states, finals, beside = states_of(name, others, candidates, rows)
    parameters = [one for one in others if one not in states]
    kept = [one for one in parameters if _is_kept(one, rows)]
    parameters = [one for one in parameters if one not in kept]
    _check_parameters(name, parameters, b)
    if ragged is not None and b is None and ragged.form != "offsets":
        raise UsageError(f"{name}: {ragged.name} says the lengths of several sequences, but no axis is called batch; name one so")
    options = [one for one in arguments if one.tree is None]
    choices, given = _options(name, options, axes)
    unknown = (one for one in options if one.default is None and one.name not in {**choices, **given})
    never = tuple(one.name for one in (*counts, *unknown))
    may_go = [*(sequences if len(sequences) > 1 else ()), *parameters]  # one sequence must be given
    choices |= {one.name: ("given", "left out") for one in may_go if not one.needed}
    several = ragged is not None and ragged.form == "offsets"
    may_say = (*options, *(one for one in (*counts, *kept, *parameters) if _counts(one)))
    positions = [position_of(one, choices, given, (t, b), several) for one in may_say]
    none = tuple(one.name for one in _taken(function) if one.default is one.empty and optional(hints.get(one.name)))
    roles = Roles(name, t, b, tuple(sequences), (*states, *kept), tuple(parameters), tuple(outputs),
                 finals, choices, given, ragged, cache, tuple(one.name for one in kept), never, none,
                 beside=(*beside, *((path, None) for path in left_out(hints.get("return"), BESIDE, unread))),
                 counts=tuple(one for one in positions if one is not None))  # fmt: skip
    check_has_rows(roles)
    return roles


def _cache(name: str, carried: Sequence[Argument], result: Tree | None, axes: Sequence[str]) -> Cache | None:
    """The argument that takes a cache, and where it comes back."""
    left, found = list(opaque_places(result)), []
    for one in carried:
        assert isinstance(one.tree, Opaque)
        place = next((place for place in left if repr(place[1]) == repr(one.tree.kind)), None)
        left = [other for other in left if other is not place]
        found.append(cache_of(one.name, one.tree, one.needed, None if place is None else place[0], axes, name))
    if len(found) > 1 and not all(one.begins_as_none and one.path is not None for one in found):
        raise UsageError(
            f"{name}: {' and '.join(one.name for one in carried)} are states that types do not describe; let each be None at first "
            "and return its type, or put them into one"
        )
    return side_by_side(found) if found else None


def _taken(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters of the function that a call names; what functools.partial gives it stays."""
    found, given = inspect.signature(function).parameters.values(), getattr(function, "keywords", ())
    known = [one for one in found if one.name != "self" and one.name not in given]
    return [one for one in known if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)]


def _argument(parameter: inspect.Parameter, hints: Mapping[str, Any], name: str) -> Argument:
    hint = hints.get(parameter.name)
    default = None if optional(hint) and parameter.default is parameter.empty else parameter.default
    whole = carried_whole(hint, hints, BESIDE) if default is None else None
    try:
        tree = whole or tree_of(hint)
    except Unreadable as found:
        raise said(f"{name}: {parameter.name}", found) from None
    return Argument(parameter.name, tree, hint, default)


def _check_once(name: str, tensors: Sequence[tuple[str, Leaf]], axes: Sequence[str | None]) -> None:
    for place, leaf in tensors:
        twice = next((axis for axis in axes if axis is not None and leaf.axes.count(axis) > 1), None)
        if twice is not None:
            raise UsageError(
                f"{name}: {place} has the axes ({' '.join(leaf.axes)}), but should have {twice} once; rename the other"
            )


def _result(hints: Mapping[str, Any], name: str, opaque: tuple[Any, ...]) -> Tree | None:
    try:
        return tree_of(hints.get("return"), (), opaque, BESIDE)
    except Unreadable as error:
        raise UsageError(f"{name}: the result {error.words}; what is neither output nor state may be Any") from None


def _results_of(result: Tree | None, name: str, time: str) -> tuple[list[tuple[Path, Leaf]], list[tuple[Path, Leaf]]]:
    """The outputs, and what may be final states."""
    found = list(leaves(result))
    outputs = [(path, leaf) for path, leaf in found if time in leaf.axes]
    if not outputs:
        came = "is not annotated" if not found else "has no tensor with the axis " + time
        raise UsageError(f'{name}: the result {came}, but should have the output; write -> Float[Tensor, "batch {time} …"]')
    return outputs, [(path, leaf) for path, leaf in found if time not in leaf.axes]


def _check_sequences(name: str, sequences: Sequence[Argument], batch: str | None) -> None:
    for one in sequences:
        if isinstance(one.tree, Node):
            raise UsageError(
                f"{name}: {one.name} holds sequences in a container, but should be one tensor; take it apart in a function"
            )
        (leaf,) = one.tensors
        if not leaf.floating and not is_flag(one):
            raise UsageError(
                f"{name}: {one.name} has a time axis and no real numbers; say what it is: Annotated[…, rnncheck.Mask()], "
                "rnncheck.Reset(), or give vectors instead of ids"
            )
        if batch is not None and batch not in leaf.axes:
            raise UsageError(f"{name}: {one.name} has no axis {batch}, but other sequences have; add it, or name none so")


def _counts(argument: Argument) -> bool:
    """Whether it is a tensor of whole numbers, of which nothing says what they may be."""
    return isinstance(argument.tree, Leaf) and not argument.tree.floating and not is_flag(argument)


def _is_kept(argument: Argument, rows: Set[Any]) -> bool:
    """Whether it is something that each sequence has for all of its steps, such as a speaker."""
    return isinstance(argument.tree, Leaf) and bool({*argument.tree.axes} & rows) and not is_called_state(argument)


def _check_parameters(name: str, parameters: Sequence[Argument], batch: str | None) -> None:
    for one in parameters:
        if isinstance(one.tree, Node) or batch in one.tree.axes:  # type: ignore[union-attr]
            axes = axes_of(one)
            raise UsageError(
                f"{name}: {one.name} ({axes}) is a state or a container, has no time axis and does not come back; return it, or "
                "say what it is by another name or outside of a container"
            )


def _returns_state(option: str) -> bool:
    """Whether this option, such as ``output_final_state``, lets the state come back; ``hidden_states`` are those of all layers."""
    first, *rest = option.split("_")
    return first in RETURNS and bool(STATE_WORDS & {*rest}) and "hidden_states" not in option


def _options(name: str, arguments: Sequence[Argument], axes: Sequence[str]) -> tuple[dict[str, tuple[Any, ...]], dict[str, Any]]:
    """The values of each option; and what the call is always given."""
    choices: dict[str, tuple[Any, ...]] = {}
    given: dict[str, Any] = {}
    for one in arguments:
        values = choices_of(one.hint, one.default)
        if is_switch(one.hint) and _returns_state(one.name):
            values = (True,)
        if values is not None:
            choices[one.name] = values
        elif one.hint is int and axis_for(one.name, axes) is not None:
            given[one.name] = axis_for(one.name, axes)
        elif one.needed:
            raise UsageError(how_to_say(name, one))
    return choices, given
