"""Which option of a typed recurrence is a number of steps that are computed at once."""

from rnncheck.core.named import Named

WORDS = ("chunk", "block", "bt", "window", "tile")
"""Words in the name of such an option."""


def chunk_of(named: Named | None) -> int:
    """Return the steps of a chunk, 0 where no option says.

    >>> chunk_of(Named((), options=(("chunk_size", 4), ("eps", 3))))
    4
    """
    options = named.options if named else ()
    return max((value for name, value in options if type(value) is int and any(word in name.lower() for word in WORDS)), default=0)
