"""A state that is no tensor: a cache object, made by a function, carried from call to call and copied, and never read."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rnncheck.errors import UsageError
from rnncheck.reading.typed.annotations import Opaque, Path
from rnncheck.reading.typed.markers import State
from rnncheck.reading.typed.sizes import axis_for

KNOWN = {"rows": ("batch", "batch_size", "bsz", "bs", "b", "n"), "dtype": ("dtype",), "device": ("device",),
         "module": ("module", "model", "layer", "net", "self", "cell")}  # fmt: skip
"""What a function that makes a cache is given, by the names of its arguments; other names are those of axes."""


@dataclass(frozen=True)
class Cache:
    """The argument that takes the cache, and what makes a new one.

    arguments: what ``new`` is given, by its arguments' names: a key of KNOWN or an axis
    path:      where in the result the cache comes back; None: it is changed in place
    needed:    whether it must be given
    parts:     of several that begin as None and are carried side by side, each argument's name and where it comes back
    """

    name: str
    new: Callable[..., Any]
    arguments: tuple[tuple[str, str], ...]
    path: Path | None
    needed: bool
    parts: tuple[tuple[str, Path], ...] = ()

    def for_wrapper(self) -> dict[str, Any]:
        """The same as the wrapper takes it."""
        return {"name": self.name, "new": self.new, "arguments": self.arguments, "path": self.path, "needed": self.needed,
                "parts": list(self.parts)}  # fmt: skip

    @property
    def names(self) -> tuple[str, ...]:
        """The arguments that take it."""
        return tuple(name for name, _ in self.parts) or (self.name,)

    @property
    def begins_as_none(self) -> bool:
        """Whether no call is given one until another has returned it."""
        return self.new is type(None) and not self.needed


def side_by_side(caches: Sequence[Cache]) -> Cache:
    """Return several caches that begin as None and come back as one."""
    if len(caches) == 1:
        return caches[0]
    parts = [(one.name, one.path) for one in caches if not one.parts] + [part for one in caches for part in one.parts]
    return Cache(
        ", ".join(name for name, _ in parts), type(None), (), None, False, tuple((name, path or ()) for name, path in parts)
    )


def cache_of(name: str, tree: Opaque, needed: bool, path: Path | None, axes: Iterable[str], function: str) -> Cache:
    """Return the cache that an argument takes; raises UsageError where it is not known how to make one."""
    new = tree.said(State).new
    made = getattr(new, "__qualname__", repr(new))
    if not callable(new):
        raise UsageError(f"{function}: {name} is a State(new={new!r}), but new should be a function or a class that makes one")
    try:
        parameters = inspect.signature(new).parameters.values()
    except (TypeError, ValueError):
        parameters = ()  # type: ignore[assignment]
    found = []
    for one in parameters:
        if one.kind in (one.VAR_KEYWORD, one.VAR_POSITIONAL):
            continue
        what = next((what for what, names in KNOWN.items() if one.name in names), None) or axis_for(one.name, axes)
        if what is not None:
            found.append((one.name, what))
        elif one.default is one.empty:
            raise UsageError(
                f"{function}: {made} wants {one.name} to make {name}, but can have batch, dtype, device, module and the sizes of "
                f"axes ({', '.join(axes)}); give {one.name} a default"
            )
    return Cache(name, new, tuple(found), path, needed)
