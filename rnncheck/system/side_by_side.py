"""Forks of this process at work side by side, until the last of them has ended or their time is up."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from functools import partial

from rnncheck.system.exit_reason import ended
from rnncheck.system.fork import die_with, fork

LAST_SECONDS = 10.0
"""Time for the others once one has ended badly: they may wait for it in vain."""
TICK = 0.01


def side_by_side(count: int, work: Callable[[int], None], seconds: float) -> list[str | None]:
    """Return how each of ``work(0)``, ``work(1)``, ... ended, in words; None where it returned.

    Each runs in a fork of this process, and none outlives this call: what is still at work after the time is killed.

    Raises OSError where the system starts no more processes.
    """
    running: dict[int, int] = {}
    how: list[str | None] = [f"did not end within {seconds:g} s"] * count
    deadline = time.monotonic() + seconds
    try:
        for place in range(count):
            running[fork(partial(_child, work=work, place=place), group=False)] = place
        while running and time.monotonic() < deadline:
            for pid, place in list(running.items()):
                found, status = os.waitpid(pid, os.WNOHANG)
                if found:
                    del running[pid]
                    how[place] = None if status == 0 else ended(status)
                    deadline = deadline if status == 0 else min(deadline, time.monotonic() + LAST_SECONDS)
            time.sleep(TICK)
    finally:
        for pid in running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return how


def _child(parent: int, work: Callable[[int], None], place: int) -> None:
    code = 1
    try:
        die_with(parent)
        work(place)
        code = 0
    finally:
        os._exit(code)
