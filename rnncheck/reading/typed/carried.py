"""A state that the types do not describe whole, as one with a counter or a list of any length: it is carried as a cache is."""

from collections.abc import Mapping
from typing import Annotated, Any, get_args, get_origin

from torch import Tensor

from rnncheck.reading.typed.annotations import Node, Opaque, Unreadable, leaves, opaque_places, optional, tree_of
from rnncheck.reading.typed.markers import State

CONTAINERS = (dict, list, tuple)
"""What may hold a state whose parts no type describes, as in ``dict[str, Tensor]``."""


def carried_whole(hint: Any, hints: Mapping[str, Any], beside: tuple[Any, ...]) -> Opaque | None:
    """Return a state that begins as None and comes back, of whose parts not all are tensors with axes; None where it is none.

    hints: all annotations, as another state of the kind may come back beside it
    """
    kind, others = _alone(hint), [_alone(one) for name, one in hints.items() if name != "return" and optional(one)]
    if _is_described(hint, kind):
        return None
    unread = tuple(one for one in others if not _is_described(one, one))
    try:
        back = any(repr(one) == repr(kind) for _, one in opaque_places(tree_of(hints.get("return"), (), (kind, *unread), beside)))
    except Unreadable:
        return None
    return Opaque(kind, (State(new=type(None)),)) if back else None


def _is_described(hint: Any, kind: Any) -> bool:
    """Whether the types say what all of its parts are, or that it is no state."""
    try:
        tree = tree_of(hint)
    except Unreadable:  # some of its parts are no tensors with axes
        return False
    if tree is None:
        return not (_is_class(kind) or kind in CONTAINERS or get_origin(kind) in CONTAINERS)
    return not isinstance(tree, Node) or all(leaf.axes for _, leaf in leaves(tree))


def _alone(hint: Any) -> Any:
    """The one type in ``Annotated[X | None, ...]``."""
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    others = [one for one in get_args(hint) if one is not type(None)]
    return _alone(others[0]) if optional(hint) and len(others) == 1 else hint


def _is_class(hint: Any) -> bool:
    """Whether it is a class of somebody's own that is no tensor."""
    return isinstance(hint, type) and hint.__module__ != "builtins" and not issubclass(hint, Tensor) and get_origin(hint) is None
