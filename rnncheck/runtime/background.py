"""Work that is done off the hot path: in one thread of its own, a few pieces at most, told of later."""

import atexit
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

Look = Callable[[], str | None]
"""Looks at something and returns what is wrong with it, or None."""
WAITING = 8
"""The number of pieces that may wait; while they do, further ones are skipped and counted."""


class Background:
    """Runs what it is given, in order; ``told`` hands out what was found by then.

    first: what is done when the first piece of work of a process comes
    last:  what is done at the end of the program with what nobody has asked for
    """

    def __init__(self, first: Callable[[], None], last: Callable[[list[str]], None]) -> None:
        self.skipped = 0
        self._first, self._last = first, last
        self._process = 0
        self._pending: deque[Future[str | None]] = deque()
        self._thread: ThreadPoolExecutor | None = None

    def later(self, look: Look) -> None:
        """Look at it when there is time; skipped where too much is waiting."""
        if self._process != os.getpid():  # a fork has the queue, and nobody who works on it
            self._process, self._thread, self._pending = os.getpid(), ThreadPoolExecutor(1, "rnncheck"), deque()
            atexit.register(self._at_exit)
            self._first()
        assert self._thread is not None
        if len(self._pending) >= WAITING:
            self.skipped += 1
        else:
            self._pending.append(self._thread.submit(look))

    def told(self, wait: bool = False) -> str | None:
        """The next finding, or None; with ``wait`` all that is pending is waited for."""
        if self._process != os.getpid():  # what a fork has inherited is never done
            return None
        while self._pending and (wait or self._pending[0].done()):
            found = self._pending.popleft().result()
            if found is not None:
                return found
        return None

    def all_told(self) -> list[str]:
        """All that is found once nothing waits any more."""
        return list(iter(lambda: self.told(wait=True), None))

    def _at_exit(self) -> None:
        if found := self.all_told():
            self._last(found)
