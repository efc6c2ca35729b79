"""stdout and stderr that neither raise nor change the exit code: on a full disk, closed, or in a terminal without our marks."""

import codecs
import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from rnncheck.system.supervised import leave_word

PLAIN_MARKS = {
    "✓": "+", "✗": "x", "☠": "X", "∞": "~", "≠": "#", "–": "-", "—": "-", "·": ".", "…": "...", "×": "x", "≤": "<=", "≥": ">=",
    "→": "->", "‖": "|", "\N{REPLACEMENT CHARACTER}": "?",
    "━": "-", "─": "-", "╺": "-", "╸": "-", "‘": "'", "’": "'", "“": '"', "”": '"',
}  # fmt: skip
"""What is written instead where an encoding lacks a mark; anything else becomes a question mark."""
PLAIN = "rnncheck.plain"


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """The error handler of our streams."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(PLAIN_MARKS.get(mark, "?") for mark in error.object[error.start : error.end]), error.end


codecs.register_error(PLAIN, _plainly)


class Forgiving(io.FileIO):
    """A stream's file that takes everything, whether or not there is room for it, or anyone who reads; ``lost`` says why not."""

    lost: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write what can be written; the rest is lost."""
        left = memoryview(data).cast("B")
        while left and self.lost is None:
            try:
                left = left[super().write(left) or 0 :]
            except OSError as error:
                self.lost = error
        return memoryview(data).nbytes


def lost_output() -> str | None:
    """Why what was written to stdout is not all there, although somebody wanted it (a reader that left did not)."""
    if sys.stdout is None:
        return "it is closed"
    with suppress(Exception):
        sys.stdout.flush()
    lost = _lost(sys.stdout)
    return None if lost is None or lost.errno == errno.EPIPE else lost.strerror


@contextmanager
def forgiving_streams() -> Iterator[None]:
    """Inside, stdout and stderr are forgiving; streams that are not the process's own (a test's) stay as they are."""
    _fill_closed()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and stream is getattr(sys, f"__{name}__"):
            setattr(sys, name, _forgiving(stream))
    try:
        yield
    finally:
        lost = lost_output()
        if lost is not None and sys.stdout is not None:  # who closes it does not want it
            _complain(f"rnncheck: stdout cannot be written: {lost}")


def _complain(line: str) -> None:
    """Say the line on stderr; where a target closed that too, the process beside this one says it."""
    with suppress(Exception):
        print(line, file=sys.stderr)
        sys.stderr.flush()
    if _lost(sys.stderr) is not None:
        leave_word(line)


def _lost(stream: Any) -> OSError | None:
    return getattr(getattr(getattr(stream, "buffer", None), "raw", None), "lost", None)


def _fill_closed() -> None:
    """Where a caller has closed 0, 1 or 2, no other file of ours may take that number."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number


def _forgiving(stream: Any) -> Any:
    try:
        stream.flush()
        file = Forgiving(stream.fileno(), "w", closefd=False)
        return io.TextIOWrapper(io.BufferedWriter(file), stream.encoding, PLAIN, line_buffering=stream.line_buffering)
    except (OSError, ValueError, AttributeError):  # no file behind it
        return stream
