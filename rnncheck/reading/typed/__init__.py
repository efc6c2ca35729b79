"""A recurrence of any kind, read from the types of its arguments and results."""

from typing import Any

from torch import nn

from rnncheck.reading.typed.annotations import Unreadable, hints_of, leaves, tree_of
from rnncheck.reading.typed.find_roles import TIME


def is_typed(value: Any) -> bool:
    """Return whether a function is annotated with named axes, or a module whose forward is not like those of torch's layers."""
    module = isinstance(value, nn.Module) or (isinstance(value, type) and issubclass(value, nn.Module))
    if module:
        kind: Any = value if isinstance(value, type) else type(value)
        return _speaks_of_axes(kind.forward) and (
            getattr(value, "rnncheck_mode", None) == "other" or not _like_torchs(kind.forward)
        )
    return not isinstance(value, type) and hasattr(value, "__code__") and _speaks_of_axes(value)


def _speaks_of_axes(function: Any) -> bool:
    try:
        return tree_of(hints_of(function).get("return")) is not None
    except Unreadable:
        return True


def _like_torchs(forward: Any) -> bool:
    """Whether it takes one sequence and states of one or two tensors without more axes than torch's have."""
    given = [leaf for name, hint in hints_of(forward).items() if name != "return" for _, leaf in leaves(tree_of(hint))]
    sequences = [leaf for leaf in given if any(axis.lower() in TIME for axis in leaf.axes)]
    states = [leaf for leaf in given if leaf not in sequences]
    return len(sequences) <= 1 and len(states) <= 2 and all(len(leaf.axes) <= 3 for leaf in given)
