"""Which arguments of a function are states: what goes in without an axis of time, and comes back."""

from collections.abc import Sequence, Set

from rnncheck.errors import UsageError
from rnncheck.reading.typed.annotations import Leaf, Path
from rnncheck.reading.typed.markers import State
from rnncheck.reading.typed.roles import Argument, in_words

SHORT = {"h", "c", "s", "last", "past", "previous", "old", "mem"}
"""What a state may be called, and other things too."""


Places = tuple[tuple[Path, Leaf], ...]
"""Where tensors are in the result."""


def states_of(name: str, arguments: Sequence[Argument], candidates: Sequence[tuple[Path, Leaf]], rows: Set[str],
            ) -> tuple[list[Argument], Places | None, Places]:  # fmt: skip
    """The arguments that are states, where each of their tensors comes back, and which results are neither state nor output.

    rows: axes that count sequences: what has none of them is no state, such as a loss, unless an argument of its type goes in
    """
    if not candidates:
        return [one for one in arguments if is_called_state(one)], None, ()
    left, states, finals = list(candidates), [], []
    for one in sorted(arguments, key=_unlike_a_state):
        found = _comes_back(one, left)
        if found is None:
            marker = one.said(State)
            if marker is not None:
                called = f" with State({marker.name!r})" if marker.name else ""
                raise UsageError(f"{name}: {one.name} is a state, but no result of its type{called} comes back; return it")
            continue
        states.append(one)
        finals += found
        left = [pair for pair in left if pair not in found]
    beside = tuple(pair for pair in left if rows and not rows & {*pair[1].axes})
    if any(leaf.axes for _, leaf in left):
        path, leaf = next(pair for pair in left if pair[1].axes)
        other = next((one for one in arguments if one not in states and is_called_state(one) and one.tensors), None)
        if other is not None:
            raise UsageError(
                f"{name}: {other.name} has the axes ({axes_of(other)}), but {in_words([(path, leaf)])} has "
                f"({' '.join(leaf.axes)}); give both the same, in the same order"
            )
    if len(beside) < len(left):
        path, leaf = next(pair for pair in left if pair not in beside)
        raise UsageError(
            f"{name}: {in_words([(path, leaf)])} ({' '.join(leaf.axes)}) has no time axis and no argument of its type goes in; "
            f'take it as one: initial_state: Float[Tensor, "{" ".join(leaf.axes)}"] | None = None{_or_one_of(arguments, states)}, '
            "or annotate it as Any where it is no state"
        )
    if len(beside) == len(candidates):
        return [one for one in arguments if is_called_state(one)], None, beside
    _check_told_apart(name, arguments, states)
    in_order = [one for one in arguments if one in states]  # of the same type, the first that goes in is the first that comes out
    finals, left = [], [pair for pair in candidates if pair not in beside]
    for one in in_order:
        found = _comes_back(one, left) or []
        finals += found
        left = [pair for pair in left if pair not in found]
    return in_order, tuple(finals), beside


def _unlike_a_state(argument: Argument) -> tuple[bool, bool, bool]:
    """What a state is known by where several arguments have its type: what it is called, and that it may be left out."""
    return not is_called_state(argument), argument.needed, argument.name.lower() not in SHORT


def _check_told_apart(name: str, arguments: Sequence[Argument], states: Sequence[Argument]) -> None:
    for one in arguments:
        for state in states if one not in states else ():
            if axes_of(one) == axes_of(state) and _unlike_a_state(one) == _unlike_a_state(state):
                axes = axes_of(one)
                raise UsageError(
                    f"{name}: {state.name} and {one.name} have the axes ({axes}) of a result, and either may be the state; "
                    f"say which: {one.name}: Annotated[…, rnncheck.State()]"
                )


def _or_one_of(arguments: Sequence[Argument], states: Sequence[Argument]) -> str:
    """Which argument may be meant, where one alone is left that may be left out."""
    left = [one.name for one in arguments if one not in states and not one.needed]
    return f"; or give {left[0]} these axes, if it is the one" if len(left) == 1 else ""


def _comes_back(argument: Argument, candidates: Sequence[tuple[Path, Leaf]]) -> list[tuple[Path, Leaf]] | None:
    """The results of the argument's types, in order; those of its own name, where it has one. None where one is missing."""
    left, found = list(candidates), []
    marker = argument.said(State)
    named = None if marker is None else marker.name
    for leaf in argument.tensors:
        same = [pair for pair in left if pair[1].axes == leaf.axes and (named is None or _state_name(pair[1]) in (None, named))]
        same.sort(key=lambda pair: _state_name(pair[1]) != named)
        if not same:
            return None
        found.append(same[0])
        left.remove(same[0])
    return found


def _state_name(leaf: Leaf) -> str | None:
    return next((marker.name for marker in leaf.markers if isinstance(marker, State)), None)


def is_called_state(argument: Argument) -> bool:
    """Whether its name or its annotation says that it is a state; ``encoder_hidden_states`` are what another part returned."""
    name = argument.name.lower()
    parts = set(name.split("_"))
    by_name = bool(parts & {"initial", "init", "state", "states", "hx", "hidden", "cache", "prev", "h0", "c0", "carry"})
    return argument.said(State) is not None or (by_name and not parts & {"encoder", "enc"}) or name.endswith("_0")


def axes_of(argument: Argument) -> str:
    """Return the axes of an argument's tensors in words."""
    return "; ".join(" ".join(part.axes) for part in argument.tensors)
