"""Runs scripts once, alone, before they are handed over."""

import re
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

SECONDS = 120.0
TOO_LATE = "the script was not run by itself: the time was up"


class Runs:
    """Runs scripts by themselves, beside what else is done, until a time (monotonic) at which it has to be over."""

    def __init__(self, deadline: float, at_once: int = 2) -> None:
        self.deadline = deadline
        self.pool = ThreadPoolExecutor(at_once)

    def start(self, script: Path) -> "Future[str | None]":
        """What ``reproduces`` says, in a while."""
        return self.pool.submit(self._run, script)

    def _run(self, script: Path) -> str | None:
        left = self.deadline - time.monotonic()
        return reproduces(script, seconds=min(left, SECONDS)) if left > 0 else TOO_LATE

    def close(self) -> None:
        """Starts nothing more; what runs goes on to its end, or to the time when it has to be over."""
        self.pool.shutdown(wait=False, cancel_futures=True)


def reproduces(script: Path, folder: Path | None = None, seconds: float = SECONDS) -> str | None:
    """None if the script fails by itself, as it should; else a line that says what happened instead.

    Runs in ``folder`` (default: the current one) with the same Python, so that it finds the subject's own module.
    """
    command = [sys.executable, "-W", "ignore", str(script.resolve())]
    try:
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return f"the script did not end within {seconds:.0f} s" if seconds == SECONDS else TOO_LATE
    if ended.returncode == 0:
        return "the script does not fail by itself: what fails needs more than this one case"
    names = filter(None, ("AssertionError", expected_error(script.read_text(encoding="utf-8"))))
    if re.search(rf"^(?:\w+\.)*(?:{'|'.join(names)})\b", ended.stderr, re.MULTILINE):
        return None
    return f"the script ends otherwise: {(ended.stderr.strip().splitlines() or ['no message'])[-1]}"


def expected_error(text: str) -> str | None:
    """The name of the exception that the script says it raises, if it is not an assertion that fails.

    >>> expected_error("# expected to raise TypeError\\nbuild()")
    'TypeError'
    """
    said = re.search(r"^# expected to raise (\w+)$", text, re.MULTILINE)
    return said[1] if said else None
