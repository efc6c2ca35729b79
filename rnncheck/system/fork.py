"""Forks of this process, made so that no signal and no replaced os.fork comes in between."""

import contextlib
import ctypes
import os
import signal
import sys
import warnings
from os import fork as make_process  # a subject may replace os.fork when it is imported
from typing import Any

from rnncheck.system.descendants import OURS

WHERE = signal.SIGUSR1
"""The signal that makes a worker print where it is, also from within C."""
HELD_BACK = (signal.SIGINT, signal.SIGTERM)
"""Blocked while a worker is made, so that neither it nor its parent is interrupted halfway."""
_SET_PDEATHSIG = 1


def fork(child: Any, group: bool = True) -> int:
    """The pid of a forked process that runs ``child(the parent's pid)``, which never returns; or returns 0 in that process.

    group: whether it is in a process group of its own
    """
    parent = os.getpid()
    held = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
    try:
        with warnings.catch_warnings():
            # Python warns that the parent's threads are not in the child. It needs none: own streams, one torch thread
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = make_process()
        if pid == 0:
            child(parent)
        OURS.add(pid)
        if group:
            with contextlib.suppress(OSError):  # the child does so too, and may have ended already
                os.setpgid(pid, pid)
        return pid
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def die_with(parent: int) -> None:
    """Where the system offers it (Linux), this process is killed when its parent ends, however that ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
