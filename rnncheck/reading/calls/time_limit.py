"""How long ways to call a target are tried; what is left then is said."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from time import process_time
from typing import Any

SECONDS = 40.0
"""CPU time, which does not depend much on what else the machine does: more than twice what the slowest reading known takes."""
_END: ContextVar[float] = ContextVar("_END", default=float("inf"))


@contextmanager
def limited() -> Iterator[None]:
    """Inside, ways to call a target are tried for SECONDS."""
    before = _END.set(process_time() + SECONDS)
    try:
        yield
    finally:
        _END.reset(before)


def is_over() -> bool:
    """Whether no further way is to be tried."""
    return process_time() > _END.get()


def left_out(tried: int, others: Iterable[Mapping[str, Any]]) -> str:
    """Return what was not tried, and the words that say how the target is called."""
    inputs: dict[str, None] = {}
    filled: dict[str, None] = {}
    for how in others:
        inputs[how.get("input", "sequence")] = None
        filled |= dict.fromkeys(name for name, *_ in how.get("beside", ()))
    beside = f", and other values of {', '.join(filled)}" if filled else ""
    words = "input, input_name, beside or given" if filled else "input, input_name or given"
    return (
        f"{tried} calls were tried in {SECONDS:.0f} s; not tried were further ones with the input as {', '.join(inputs)}{beside}: "
        f"say with --read {words} how it is called"
    )
