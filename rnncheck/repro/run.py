"""Runs scripts once, alone, before they are handed over."""

import re
import signal
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from rnncheck.core.plain_text import one_line
from rnncheck.repro.fatal import GREEDY, RETURNED

SECONDS = 120.0
START = 20.0
"""Seconds that a script is given to import torch and the subject."""
TOO_LATE = "the script was not run on its own: no time was left"


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
    text = script.read_text(encoding="utf-8")
    if GREEDY in text:
        return "the script was not run on its own: it takes more and more memory"
    patience = expected_patience(text)
    limit = seconds if patience is None else min(seconds, patience + START)
    try:
        ended = subprocess.run(
            [sys.executable, "-W", "ignore", str(script.resolve())], cwd=folder, capture_output=True, text=True,
            errors="replace", timeout=limit, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        if patience is not None:
            return None if limit >= patience + START else TOO_LATE
        return f"the script did not end within {seconds:.0f} s" if seconds == SECONDS else TOO_LATE
    return _verdict(text, ended)


def _verdict(text: str, ended: "subprocess.CompletedProcess[str]") -> str | None:
    """Whether it ended as it says."""
    code, end = ended.returncode, expected_end(text)
    if end is not None and end in _ends(code) and RETURNED not in ended.stdout:
        return None
    if code == 0:
        return "the script does not fail on its own: the failure needs more than this one case"
    names = filter(None, ("AssertionError", expected_error(text)))
    if end is None and re.search(rf"^(?:\w+\.)*(?:{'|'.join(names)})\b", ended.stderr, re.MULTILINE):
        return None
    last = (ended.stderr.strip().splitlines() or ["no message"])[-1]
    return f"the script ends otherwise: {f'{_ends(code)[0]}, ' if code < 0 else ''}{one_line(last)}"


def _ends(code: int) -> list[str]:
    """The ways to say that a process ended with this code."""
    return [signal.Signals(-code).name if code < 0 else f"exit code {code}", *(["without a word"] if code < 0 else [])]


def expected_patience(text: str) -> float | None:
    """Seconds within which the script says it does not end, if it does.

    >>> expected_patience("# expected not to end within 2.5 s")
    2.5
    """
    said = re.search(r"^# expected not to end within ([\d.]+) s$", text, re.MULTILINE)
    return float(said[1]) if said else None


def expected_end(text: str) -> str | None:
    """How the process ends that runs the script, by its own words, if no exception ends it.

    >>> expected_end("# expected to end with SIGSEGV")
    'SIGSEGV'
    """
    said = re.search(r"^# expected to end (?:with (.+)|(without a word))$", text, re.MULTILINE)
    return (said[1] or said[2]) if said else None


def expected_error(text: str) -> str | None:
    """The name of the exception that the script says it raises, if it is not an assertion that fails.

    >>> expected_error("# expected to raise TypeError\\nbuild()")
    'TypeError'
    """
    said = re.search(r"^# expected to raise (\w+)$", text, re.MULTILINE)
    return said[1] if said else None
