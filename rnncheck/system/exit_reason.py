"""How a worker ended, and what it printed at the end, in words."""

import os
import re
import signal
from itertools import takewhile

CONTEXT_LOST = 86
"""A worker that ends itself with this code says that its CUDA context can no longer be used."""
LINES, WIDTH, FRAMES = 5, 200, 3
"""How much is shown: lines of what was printed, characters of each, and frames of a traceback."""
OTHERS = ("torch/nn/modules/module.py", "ctypes/__init__.py", "functools.py", "contextlib.py")
"""Files whose frames say nothing about the subject."""
DUMP = re.compile(r"^Current thread .*\(most recent call first\):\n((?:  .*\n?)*)", re.MULTILINE)
FRAME = re.compile(r'^  File "(.*)", line (\d+) in (.*)$', re.MULTILINE)


def ended(status: int | None) -> str:
    """A wait status in words; None where the system no longer knows it."""
    if status is None:
        return "the worker ended"
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        hint = " (not by rnncheck; by the system, for lack of memory?)" if number == signal.SIGKILL else ""
        return f"killed by {signal.Signals(number).name} ({signal.strsignal(number)}){hint}"
    code = os.waitstatus_to_exitcode(status)
    if code == CONTEXT_LOST:
        return "the CUDA context can no longer be used"
    return f"the process ended itself with exit code {code}"


def last_words(printed: bytes) -> str:
    """The lines that tell: of a traceback by faulthandler the subject's own frames, else the last that were printed."""
    text = printable(printed.decode(errors="replace"))
    dumps = list(DUMP.finditer(text))
    if not dumps:
        return _last_lines(text)
    frames = [f"{m[1]}:{m[2]} in {m[3]}" for m in FRAME.finditer(dumps[-1][1]) if not m[1].endswith(OTHERS)]
    own = list(takewhile(lambda frame: "/rnncheck/" not in frame, frames)) or frames
    return "\n".join(filter(None, (_last_lines(text[: dumps[-1].start()]), *own[:FRAMES])))


def _last_lines(text: str) -> str:
    return "\n".join(line[:WIDTH] for line in text.strip().split("\n")[-LINES:])


def printable(text: str) -> str:
    """Without what a terminal would obey."""
    text = text.replace("\r\n", "\n").replace("\t", " ")
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in text).strip()
