"""A recurrence of any kind, read from the types of its arguments and results."""

from typing import Any

from rnncheck.reading.typed.annotations import Unreadable, hints_of, tree_of


def is_typed(value: Any) -> bool:
    """Return whether a function's result is annotated as tensors with named axes."""
    if isinstance(value, type) or not hasattr(value, "__code__"):
        return False
    try:
        return tree_of(hints_of(value).get("return")) is not None
    except Unreadable:
        return True
