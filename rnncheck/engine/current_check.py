"""What a worker is doing, kept where its parent can read it even when the worker is dead."""

import mmap
import struct
import time
from dataclasses import dataclass

LAYOUT = struct.Struct("<qqd96s")


@dataclass(frozen=True)
class Entry:
    """The job's index, the case's place in it, when the check began (monotonic seconds), and the property's id."""

    job: int
    place: int
    since: float
    what: str


class Record:
    """One entry in memory that a parent and its forked child share; writing it takes a few microseconds.

    >>> record = Record()
    >>> record.write(7, 2, "time.split")
    >>> record.read().what
    'time.split'
    """

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, LAYOUT.size)

    def write(self, job: int, place: int, what: str) -> None:
        """Replace the entry."""
        LAYOUT.pack_into(self.memory, 0, job, place, time.monotonic(), what.encode())

    def read(self) -> Entry | None:
        """The last entry, None if there is none."""
        job, place, since, what = LAYOUT.unpack_from(self.memory)
        return Entry(job, place, since, what.rstrip(b"\0").decode(errors="replace")) if what[0] else None

    def clear(self) -> None:
        """Forget the entry."""
        self.memory[:] = bytes(LAYOUT.size)

    def close(self) -> None:
        """Give the memory back."""
        self.memory.close()
