"""A recurrence of any kind, read from the types of its arguments and results."""

from typing import Any

from torch import nn

from rnncheck.reading.signature import forward_of
from rnncheck.reading.typed.annotations import Unreadable, hints_of, leaves, opaque_places, tree_of
from rnncheck.reading.typed.find_roles import TIME


def is_typed(value: Any) -> bool:
    """Return whether a function is annotated with named axes, or a module whose forward is not like those of torch's layers."""
    module = isinstance(value, nn.Module) or (isinstance(value, type) and issubclass(value, nn.Module))
    if module:
        forward = forward_of(value)
        return _speaks_of_axes(forward) and (getattr(value, "rnncheck_mode", None) == "other" or not _like_torchs(forward))
    return not isinstance(value, type) and hasattr(value, "__code__") and _speaks_of_axes(value, anywhere=True)


def _speaks_of_axes(function: Any, anywhere: bool = False) -> bool:
    """Return whether the type of the result has named axes, or, anywhere, that of an argument."""
    try:
        hints = hints_of(function)
        return any(tree_of(hint) is not None for name, hint in hints.items() if anywhere or name == "return")
    except Unreadable:
        return True


def _like_torchs(forward: Any) -> bool:
    """Whether it takes no cache, one sequence, and one state or two with the same axes, the last of which is the output's too."""
    hints = hints_of(forward)
    if any(True for hint in hints.values() for _ in opaque_places(tree_of(hint))):
        return False
    given = [leaf.axes for name, hint in hints.items() if name != "return" for _, leaf in leaves(tree_of(hint))]
    sequences = [axes for axes in given if any(axis.lower() in TIME for axis in axes)]
    states = [axes for axes in given if axes not in sequences]
    back = [leaf.axes[-1] for _, leaf in leaves(tree_of(hints["return"])) if leaf.axes]
    alike = len({*states}) <= 1 and len(states) <= 2 and all(axes[-1:] == (back[0],) for axes in states)
    return len(sequences) <= 1 and alike and all(len(axes) <= 3 for axes in given)
