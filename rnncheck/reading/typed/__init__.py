"""A recurrence of any kind, read from the types of its arguments and results."""

from typing import Any

from torch import nn

from rnncheck.reading.signature import forward_of
from rnncheck.reading.typed.annotations import (
    Node,
    Unreadable,
    annotated,
    hints_of,
    leaves,
    opaque_places,
    tree_of,
    written_with_axes,
)
from rnncheck.reading.typed.axis_names import TIME
from rnncheck.reading.typed.choices import has_choices
from rnncheck.reading.typed.markers import Values


def is_typed(value: Any) -> bool:
    """Return whether a function has types with named axes, or a module whose forward is unlike torch's layers', or has options."""
    module = isinstance(value, nn.Module) or (isinstance(value, type) and issubclass(value, nn.Module))
    if written_with_axes(forward_of(value) if module else value):
        return True
    if module:
        forward = forward_of(value)
        said = getattr(value, "rnncheck_mode", None) == "other"
        return _speaks_of_axes(forward) and (said or not _like_torchs(forward) or has_choices(value, forward))
    return not isinstance(value, type) and hasattr(annotated(value), "__code__") and _speaks_of_axes(value, anywhere=True)


def _speaks_of_axes(function: Any, anywhere: bool = False) -> bool:
    """Return whether the type of the result has named axes, or, anywhere, that of an argument."""
    try:
        hints = hints_of(function)
        return any(tree_of(hint) is not None for name, hint in hints.items() if anywhere or name == "return")
    except Unreadable:
        return True


def _like_torchs(forward: Any) -> bool:
    """Whether it takes no cache, one sequence and one argument of one state or two with the same axes, and returns (output, state).

    The last axis of a state is the output's too, no other one is the same, and no bounds are said.
    """
    try:
        trees = {name: tree_of(hint) for name, hint in hints_of(forward).items()}
    except Unreadable:
        return False
    bounds = any(isinstance(one, Values) for tree in trees.values() for _, leaf in leaves(tree) for one in leaf.markers)
    if bounds or any(True for tree in trees.values() for _ in opaque_places(tree)):
        return False
    given = {name: [leaf.axes for _, leaf in leaves(tree)] for name, tree in trees.items() if name != "return" and tree is not None}
    sequences = [axes for each in given.values() for axes in each if any(axis.lower() in TIME for axis in axes)]
    states = [axes for each in given.values() for axes in each if axes not in sequences]
    real = [name for name, tree in trees.items() if name in given and any(leaf.floating for _, leaf in leaves(tree))]
    result = trees["return"]
    pair = not isinstance(result, Node) or len(result.parts) == 2
    back = [leaf.axes[-1] for _, leaf in leaves(result) if leaf.axes]
    alike = (
        len({*states}) <= 1 and len(states) <= 2 and all(axes[-1:] == (back[0],) and axes.count(back[0]) == 1 for axes in states)
    )
    few = len(sequences) <= 1 and len(real) <= 2 and all(len(axes) <= 3 for each in given.values() for axes in each)
    return alike and few and pair
