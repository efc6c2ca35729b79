"""Which axis an integer speaks of: ``num_heads`` of ``heads``, ``dim_key`` of ``key``, ``hidden_size`` of ``hidden``."""

from collections.abc import Iterable

from rnncheck.reading.signature import HIDDEN, INPUT

FILLING = {"num", "n", "dim", "size", "d", "features", "len", "length", "number", "of"}
"""Words in a name that say no more than that it is a size."""


def axis_for(name: str, axes: Iterable[str]) -> str | None:
    """Return the axis that the name of an integer speaks of, None where there is none.

    >>> axis_for("num_heads", ["batch", "heads"]), axis_for("dim", ["batch", "dim"]), axis_for("eps", ["batch"])
    ('heads', 'dim', None)
    """
    known = [axis for axis in axes if axis.isidentifier()]
    return next((axis for axis in known if axis == name), None) or next((a for a in known if meant(a) & meant(name)), None)


def meant(name: str) -> frozenset[str]:
    """Return the words of a name that say of what it is the size; the word itself, where it has no other."""
    if name in INPUT or name in HIDDEN:
        return frozenset({"input", "in"} if name in INPUT else {"hidden", "unit"})
    words = {word.rstrip("s") or word for word in name.lower().split("_")}
    return frozenset(words - FILLING or words)
