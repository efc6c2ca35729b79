"""A state that the types do not describe whole, as one with a counter or a list of any length: it is carried as a cache is."""

from typing import Annotated, Any, get_args, get_origin

from torch import Tensor

from rnncheck.reading.typed.annotations import Node, Opaque, Unreadable, leaves, opaque_places, optional, tree_of
from rnncheck.reading.typed.markers import State


def carried_whole(hint: Any, result: Any, beside: tuple[Any, ...]) -> Opaque | None:
    """Return a state that begins as None and comes back, of whose parts not all are tensors with axes; None where it is none."""
    kind = _alone(hint)
    try:
        tree = tree_of(hint)
        counts = isinstance(tree, Node) and any(not leaf.axes for _, leaf in leaves(tree))
        if not counts and (tree is not None or not _is_class(kind)):
            return None
    except Unreadable:
        pass
    try:
        back = any(True for _ in opaque_places(tree_of(result, (), (kind,), beside)))
    except Unreadable:
        return None
    return Opaque(kind, (State(new=type(None)),)) if back else None


def _alone(hint: Any) -> Any:
    """The one type in ``Annotated[X | None, ...]``."""
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    others = [one for one in get_args(hint) if one is not type(None)]
    return _alone(others[0]) if optional(hint) and len(others) == 1 else hint


def _is_class(hint: Any) -> bool:
    """Whether it is a class of somebody's own that is no tensor."""
    return isinstance(hint, type) and hint.__module__ != "builtins" and not issubclass(hint, Tensor) and get_origin(hint) is None
