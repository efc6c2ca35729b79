"""Ctrl-C, and SIGTERM, as a scheduler sends it before it kills: what is known is still told, and neither is lost."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

STOPS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Whether somebody wants an end. Python drops what is raised in a __del__ or a callback of its garbage collector, so that
    a KeyboardInterrupt may be lost where it comes: whoever goes on asks here, too.
    """

    wanted = False

    def now(self, number: int, frame: FrameType | None) -> NoReturn:
        """The signals' handler."""
        self.wanted = True
        raise KeyboardInterrupt

    def check(self) -> None:
        """Raises KeyboardInterrupt where one was lost."""
        if self.wanted:
            raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[Stop]:
    """Inside, SIGINT and SIGTERM raise KeyboardInterrupt. Only a main thread can have it so; elsewhere nothing changes.

    A SIGINT that is ignored, as it is in isolated workers, stays so.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in STOPS}
    taken = {number: handler for number, handler in before.items() if number != signal.SIGINT or handler is not signal.SIG_IGN}
    for number in taken:
        signal.signal(number, stop.now)
    try:
        yield stop
    finally:
        for number, handler in taken.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
