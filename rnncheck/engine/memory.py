"""How much memory a process holds, and how much a worker may."""

import os
from pathlib import Path
from typing import Any

from rnncheck.core.case_size import BYTES_EACH

GIB = 1 << 30
LEAST = GIB // 2
_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident(pid: int) -> int:
    """Bytes of memory that the process holds; 0 where that cannot be told (it is gone, or the system has no /proc)."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def available() -> int | None:
    """Bytes that are free for the taking, in this machine and in this control group; None where that cannot be told."""
    try:
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None
    group = Path("/sys/fs/cgroup")
    try:
        return min(free, int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    except (OSError, ValueError):  # no control group, or one without a limit ("max")
        return free


def share(workers: int) -> int | None:
    """Return the bytes that each worker may take: an equal part of four fifths of the available memory."""
    free = available()
    return None if free is None else max(LEAST, int(0.8 * free / workers))


def lacks_memory(case: Any) -> str | None:
    """Why a case cannot be built in this machine's memory, or None where it can, or where that cannot be told."""
    free, needed = available(), BYTES_EACH * case.numbers
    if free is None or needed <= free:
        return None
    return f"it needs about {needed / GIB:.1f} GiB of memory, but {free / GIB:.1f} GiB are free here"
