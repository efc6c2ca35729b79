"""Ctrl-C, and SIGTERM, as a scheduler sends it before it kills: what is known is still told, and neither is lost."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

STOPS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Whether somebody wants an end. Python drops what is raised in a __del__ or a callback of its garbage collector, so that
    a KeyboardInterrupt may be lost where it comes: whoever goes on asks here, too.
    """

    wanted = False

    def now(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal. Only the first interrupts: after it the results so far are reported, and nothing may cut that short."""
        if not self.wanted:
            self.wanted = True
            raise KeyboardInterrupt

    def check(self) -> None:
        """Raises KeyboardInterrupt where one was lost."""
        if self.wanted:
            raise KeyboardInterrupt


def interrupted() -> bool:
    """Return whether a KeyboardInterrupt is the user's, as far as it can be told: nobody else raises one in earnest."""
    stop = _outer()
    return stop is None or stop.wanted


def _outer() -> Stop | None:
    """Return who gets the signals, if that is an ``interruptible``."""
    owners = (getattr(signal.getsignal(number), "__self__", None) for number in STOPS)
    return next((owner for owner in owners if isinstance(owner, Stop)), None)


@contextmanager
def interruptible() -> Iterator[Stop]:
    """Inside, SIGINT and SIGTERM raise KeyboardInterrupt. Only a main thread can have it so; elsewhere nothing changes.

    A SIGINT that is ignored, as it is in isolated workers, stays so. Inside another ``interruptible``, that one's signals go on.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in STOPS}
    outer = _outer()
    if outer is not None:
        yield outer
        return
    taken = {number: handler for number, handler in before.items() if number != signal.SIGINT or handler is not signal.SIG_IGN}
    for number in taken:
        signal.signal(number, stop.now)
    try:
        yield stop
    finally:
        for number, handler in taken.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextmanager
def children_reported() -> Iterator[None]:
    """Inside, the system says how a child ended, also where SIGCHLD was ignored; only a main thread can have it so."""
    before = signal.getsignal(signal.SIGCHLD)
    if before is not signal.SIG_IGN:
        yield
        return
    with suppress(ValueError):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield
    finally:
        with suppress(ValueError):
            signal.signal(signal.SIGCHLD, before)
