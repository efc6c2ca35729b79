"""SIGTERM, as a scheduler sends it before it kills: taken like Ctrl-C, so that what is known is still told."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


@contextmanager
def termination_interrupts() -> Iterator[None]:
    """Inside, SIGTERM raises KeyboardInterrupt. Only a main thread can have it so; elsewhere nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt
