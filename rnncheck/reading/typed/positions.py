"""Which arguments of a typed function may say how many steps come before a call: what calls show, types only allow."""

from collections.abc import Mapping
from typing import Any, get_args

from rnncheck.reading.typed.annotations import Leaf
from rnncheck.reading.typed.roles import Argument, Position


def position_of(
    one: Argument, choices: Mapping[str, Any], given: Mapping[str, Any], front: tuple[str, str | None], laid_end_to_end: bool
) -> Position | None:
    """Return an argument that may be a position: an option that is a number, or whole numbers at each step; None of any other.

    front: the axes of time and batch; laid_end_to_end: whether steps of several sequences share the axis of time
    """
    if one.name in given:
        return None
    if isinstance(one.tree, Leaf):
        told = not one.needed and {*one.tree.axes} <= {*front} and not laid_end_to_end
        return (one.name, " ".join(one.tree.axes), 0) if told else None
    if one.name in choices:
        numbers = all(type(value) in (int, float) for value in choices[one.name])
        return (one.name, None, choices[one.name][0]) if numbers else None
    kinds = {one.hint, *get_args(one.hint)}
    is_number = bool(kinds & {int, float}) and bool not in kinds and not isinstance(one.default, bool)
    return (one.name, None, one.default or 0) if is_number else None
