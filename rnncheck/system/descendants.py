"""Processes that a subject starts and that leave its worker's group: found by their parents, and ended with the worker."""

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

_SET_CHILD_SUBREAPER = 36
ROUNDS = 3
"""How often descendants are looked for: one may start another while it is being ended."""


OURS: set[int] = set()
"""The processes that we have started ourselves in a group of their own, and those that were there before any worker."""
_adopting = False


def adopt_orphans() -> None:
    """Where the system offers it (Linux), a descendant whose own parent has ended becomes a child of this process."""
    global _adopting
    _adopting = sys.platform == "linux" and ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1) == 0


def children(pid: int) -> set[int]:
    """Return the children of the process; none where that cannot be told."""
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found |= {int(child) for child in (thread / "children").read_text().split()}
    return found


def descendants(pid: int) -> set[int]:
    """Return the children of the process, theirs, and so on."""
    found, new = set[int](), children(pid)
    while new:
        found |= new
        new = {child for parent in new for child in children(parent)} - found
    return found


def end_descendants(pid: int) -> None:
    """Kill whatever the process has started, in whatever group; the process itself is stopped meanwhile."""
    if not children(pid):
        return
    _send(pid, signal.SIGSTOP)
    for _ in range(ROUNDS):
        found = descendants(pid)
        for child in found:
            _send(child, signal.SIGKILL)


def spare_children() -> None:
    """Take the children that this process has now for its own: what a target has started when it was imported, say."""
    OURS.update(children(os.getpid()))


def end_orphans() -> None:
    """Kill what an ended worker has left to this process, if this one adopts orphans: children in groups that are none of ours."""
    if not _adopting:
        return
    for child in children(os.getpid()) - OURS:
        with contextlib.suppress(OSError):
            if os.getpgid(child) == os.getpgrp():
                continue
            for orphan in (child, *descendants(child)):
                _send(orphan, signal.SIGKILL)
            os.waitpid(child, 0)


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
