"""A worker as its parent sees it: forked, given a job, listened to, looked after, and ended."""

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rnncheck.engine.channel import Inbox, send
from rnncheck.engine.current_check import Entry, Record
from rnncheck.engine.jobs import Job
from rnncheck.engine.memory import resident
from rnncheck.engine.waiting import waited
from rnncheck.engine.worker import Do, Ends, work
from rnncheck.system.descendants import end_descendants, end_orphans
from rnncheck.system.exit_reason import ended, last_words
from rnncheck.system.fork import WHERE, fork

TAIL = 1 << 14
"""Bytes that are kept of what a subject prints."""
ROOM = 1 << 20
"""Bytes that it may print while nobody reads."""
READS = 256
"""How often its output is read in a row: one that never stops printing is not all that there is to look after."""
LAST_MOMENT = 0.3
"""Seconds that a hanging worker has to print where it is."""


@dataclass
class Console:
    """What a worker prints; only the end of it is kept. ``ended`` once there will be no more."""

    fd: int
    tail: bytes = b""
    ended: bool = False

    def take(self) -> bool:
        """Read what has come, within reason; whether there may be more."""
        for _ in range(READS):
            try:
                data = os.read(self.fd, ROOM)
            except BlockingIOError:
                return False
            self.tail = (self.tail + data)[-TAIL:]
            self.ended = not data
            if self.ended:
                return False
        return True


class Worker:
    """A forked process that does the jobs of one subject, one at a time."""

    def __init__(self, do: Do, subject: int, others: Iterable["Worker"]) -> None:
        self.subject = subject
        self.record = Record()
        jobs, self.jobs, messages_in, messages, console_in, console = pipes = _pipes(3)
        ends = Ends(jobs, messages, console)
        self.inbox, self.console = Inbox(messages_in), Console(console_in)
        theirs = [fd for other in (*others, self) for fd in other.fds()]
        try:
            self.pid = fork(lambda parent: work(do, ends, self.record, theirs, parent))
        except OSError:
            _close(pipes)
            raise
        _close((jobs, messages, console))
        for fd in (messages_in, console_in):
            os.set_blocking(fd, False)
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            with contextlib.suppress(OSError):  # the system has a limit of its own: then what there is has to do
                fcntl.fcntl(console_in, fcntl.F_SETPIPE_SZ, ROOM)
        self.alive = True
        self.status: int | None = None
        self.began = resident(self.pid)
        self.entry: Entry | None = None
        self.quiet = 0.0
        self.looked = time.monotonic()
        self.queued = 0.0

    def fds(self) -> tuple[int, ...]:
        """The parent's ends of the pipes."""
        return self.jobs, self.inbox.fd, self.console.fd

    def give(self, job: Job) -> None:
        """Send a job; raises OSError where the worker has died while it had nothing to do."""
        self.record.clear()
        self.entry, self.quiet, self.looked, self.queued = None, 0.0, time.monotonic(), waited(self.pid)
        send(self.jobs, job)

    def sources(self) -> list[int]:
        """Where something may still come from."""
        return [pipe.fd for pipe in (self.inbox, self.console) if not pipe.ended]

    def listen(self) -> Iterator[Any]:
        """The messages that have come; raises Garbled after those that came before."""
        self.console.take()
        while self.inbox.take():
            pass
        return self.inbox.messages()

    def look(self) -> Entry | None:
        """What it is doing. ``quiet`` counts the seconds since that changed, as far as the parent was there to see.

        Those in which it only waited for a core that others used are not counted.
        """
        now, queued, entry = time.monotonic(), waited(self.pid), self.record.read()
        passed = max(0.0, min(now - self.looked, 1.0) - (queued - self.queued))
        self.quiet = self.quiet + passed if entry == self.entry else 0.0
        self.entry, self.looked, self.queued = entry, now, queued
        return entry

    def grown(self) -> int:
        """Bytes of memory that it holds beyond those it started with."""
        return resident(self.pid) - self.began

    def has_ended(self) -> bool:
        """Whether the process is gone; what it has forked goes with it."""
        if self.alive:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody else has waited for it
                pid, status = self.pid, None
            if pid:
                self.alive, self.status = False, status
                self._kill_group()
                end_orphans()
        return not self.alive

    def ends_within(self, seconds: float) -> bool:
        """Wait for its end, which is near."""
        deadline = time.monotonic() + seconds
        while not self.has_ended() and time.monotonic() < deadline:
            time.sleep(0.005)
        return not self.alive

    def how_it_ended(self) -> str:
        """In words, with the last that it printed."""
        self.console.take()
        return "\n".join(filter(None, (ended(self.status), last_words(self.console.tail))))

    def where_it_is(self) -> str:
        """The line that a hanging worker is at, as far as it can still tell."""
        self.console.take()
        seen = self.console.tail
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, WHERE)
        deadline = time.monotonic() + LAST_MOMENT
        while time.monotonic() < deadline and b"(most recent call first)" not in self.console.tail[-2000:]:
            time.sleep(0.02)
            self.console.take()
        return "" if seen == self.console.tail else last_words(self.console.tail)

    def end(self) -> None:
        """Kill it and what it has forked."""
        if not self.has_ended():
            self._kill_group()
            with contextlib.suppress(ChildProcessError):
                _, self.status = os.waitpid(self.pid, 0)
            self.alive = False

    def _kill_group(self) -> None:
        if self.alive:
            end_descendants(self.pid)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """End it, and close its pipes."""
        self.end()
        for fd in self.fds():
            os.close(fd)
        self.record.close()


def _pipes(count: int) -> list[int]:
    """Return the ends of this number of pipes; raises OSError where there is no room for them all, and keeps none then."""
    made: list[int] = []
    try:
        for _ in range(count):
            made += os.pipe()
    except OSError:
        _close(made)
        raise
    return made


def _close(files: Iterable[int]) -> None:
    for fd in files:
        os.close(fd)
