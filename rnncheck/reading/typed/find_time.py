"""Which axis is time, and which the batch: by their names, or since no other axis makes sense of the types."""

from collections.abc import Callable, Sequence

from rnncheck.errors import UsageError
from rnncheck.reading.typed.axis_names import BATCH, SHORT, TIME
from rnncheck.reading.typed.roles import Argument, Roles


def time_axis(name: str, axes: Sequence[str], said: str | None, first: Sequence[str], roles_with: Callable[[str], Roles]) -> str:
    """Return the axis of time; raises UsageError where none is known for it.

    first: the axes of the first result, which is an output; roles_with: the roles where this axis is time, or UsageError
    """
    named = TIME if said is None else (said,)
    found: Sequence[str] = [axis for axis in axes if (axis if said else axis.lower()) in named]
    if not found and said is None:
        found = _makes_sense([axis for axis in axes if axis in first], roles_with)
        found = found if len(found) == 1 else _called_shortly(found or axes, axes)
    if len(found) == 1:
        return found[0]
    there = ", ".join(axes) or "none"
    if found:
        raise UsageError(f"{name}: the axes {' and '.join(found)} may both be time; say which with --time NAME (time= in Python)")
    wanted = (
        f"--time = {said!r}, but should be one of"
        if said
        else "no axis is called time; call one so, say which with --time NAME, or give one step to rnncheck.scan; there are"
    )
    raise UsageError(f"{name}: {wanted} {there}")


def batch_axis(sequences: Sequence[Argument], axes: Sequence[str], time: str) -> str | None:
    """Return the axis of the batch; ``n`` is one only where it comes first everywhere, or everywhere behind time, before others."""
    leaves = [leaf.axes for one in sequences for leaf in one.tensors]
    first = all(one[0].lower() == "n" for one in leaves)
    behind = all((*one[:1], *(axis.lower() for axis in one[1:2])) == (time, "n") for one in leaves)
    second = behind and any(len(one) > 2 for one in leaves)
    words = BATCH if first or second else BATCH[:-1]
    return next((axis for word in words for axis in axes if axis.lower() == word), None)


def _makes_sense(axes: Sequence[str], roles_with: Callable[[str], Roles]) -> list[str]:
    """The axes that, as time, make one result an output and another one a state that comes back."""
    found = []
    for axis in axes:
        try:
            roles = roles_with(axis) if axis.isidentifier() and axis.lower() not in BATCH[:-1] else None
        except UsageError:
            continue
        if roles is not None and roles.finals and roles.batch != axis:
            found.append(axis)
    return found


def _called_shortly(found: Sequence[str], axes: Sequence[str]) -> Sequence[str]:
    """The one of these that has a short name of time, where another axis is called batch; or else all that may be it."""
    short = [axis for axis in found if axis.lower() in SHORT]
    if len(short) == 1 and any(axis.lower() in BATCH[:-1] for axis in axes):
        return short
    return [] if found is axes else found
