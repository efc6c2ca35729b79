"""When the time of a budget began: at the command line's first step, the import of torch included; else when verify is called."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_BEGAN: ContextVar[float | None] = ContextVar("rnncheck_began", default=None)


@contextmanager
def counted_from(moment: float) -> Iterator[None]:
    """Let the budget of what is verified inside count from this moment (monotonic seconds).

    >>> with counted_from(time.monotonic() - 5):
    ...     round(time.monotonic() - began())
    5
    """
    token = _BEGAN.set(moment)
    try:
        yield
    finally:
        _BEGAN.reset(token)


def began() -> float:
    """Return when the time began (monotonic seconds); now, where nobody has said."""
    said = _BEGAN.get()
    return time.monotonic() if said is None else said
