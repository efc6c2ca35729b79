"""A command in a process of its own, beside one that never runs a subject's code and says how it ended."""

import contextlib
import faulthandler
import mmap
import os
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rnncheck.errors import UsageError
from rnncheck.system.descendants import adopt_orphans
from rnncheck.system.exit_reason import ended, last_words
from rnncheck.system.fork import WHERE, die_with, fork
from rnncheck.system.signals import STOPS, interruptible

IMPORT_SECONDS = "RNNCHECK_IMPORT_SECONDS"
"""The environment variable that says how long the import of a target may take, and"""
USUAL_SECONDS = 60.0
"""what holds where it says nothing."""
USAGE, INCOMPLETE = 2, 3
LAST_SECONDS = 5.0
"""Time for a command that has said its exit code to leave; what runs at its exit may be the subject's."""
TICK = 0.5
LAYOUT = struct.Struct("<qd240s240s")
UNKNOWN = -1


@dataclass
class Board:
    """What the command says to the process beside it: its exit code, which target it imports since when, and a last line.

    It lies in memory that both share: nobody can close it.
    """

    memory: mmap.mmap = field(default_factory=lambda: mmap.mmap(-1, LAYOUT.size))
    code: int = UNKNOWN
    since: float = 0.0
    target: str = ""
    word: str = ""

    def write(self) -> None:
        """Say what the fields say."""
        texts = (text.encode(errors="replace") for text in (self.target, self.word))
        LAYOUT.pack_into(self.memory, 0, self.code, self.since, *texts)

    def read(self) -> None:
        """Take over what the command has said."""
        self.code, self.since, *texts = LAYOUT.unpack_from(self.memory)
        self.target, self.word = (text.rstrip(b"\0").decode(errors="replace") for text in texts)


_board: list[Board] = []
"""Of this process, if it is supervised."""


def is_supervised() -> bool:
    """Return whether a process beside this one says how it ends."""
    return bool(_board)


def leave_word(line: str) -> None:
    """Have the process beside this one say the line on stderr: this one's own cannot be written."""
    for board in _board:
        board.word = line
        board.write()


def import_seconds() -> float:
    """Return how long the import of a target may take."""
    try:
        said = float(os.environ.get(IMPORT_SECONDS, ""))
    except ValueError:
        return USUAL_SECONDS
    return said if said > 0 else USUAL_SECONDS


@contextmanager
def importing(target: str) -> Iterator[None]:
    """Say that the target is imported inside: an end that comes meanwhile is its own doing."""
    for board in _board:
        board.since, board.target = time.monotonic(), target
        board.write()
    try:
        yield
    finally:
        for board in _board:
            board.since = 0.0
            board.write()


def supervised(command: Callable[[], int]) -> int:
    """Return the exit code of ``command()``, which runs in a child of this process where the system can fork.

    A command that ends without its exit code is a line on stderr, and 2 (a target was being imported) or 3.
    """
    if not hasattr(os, "fork") or sys.platform == "darwin" or threading.active_count() > 1:
        return command()
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # where it is ignored, nobody learns how a child ended
    board, trace = Board(), _trace_file()
    board.write()
    before = {number: signal.getsignal(number) for number in STOPS}
    try:
        child = fork(die_with, group=False)
    except OSError:  # the system starts no more processes
        return command()
    if child == 0:
        return _command(command, board, trace)
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, lambda number, frame: _send(child, number))
    return _code(_wait(child, board), board, trace)


def open_standard_streams() -> None:
    """Open on nothing what this process was started without: else a pipe or a file takes its place."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


def require_folder() -> None:
    """Raise UsageError where the current folder has been removed: half of what is used here needs one."""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise UsageError("the current folder has been removed; change to one that exists") from None


def _trace_file() -> int | None:
    """Return a file without a name in which a command that hangs says where it is; None where there is none."""
    try:
        return os.memfd_create("rnncheck")
    except (AttributeError, OSError):
        return None


def _command(command: Callable[[], int], board: Board, trace: int | None) -> int:
    """Run the command in the child, and say its exit code."""
    adopt_orphans()
    _board.append(board)
    if trace is not None:
        faulthandler.register(WHERE, trace)
    code = 1  # what is raised is a mistake of ours, and is printed with its traceback
    try:
        with interruptible():
            code = command()
        return code
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
        raise
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        board.code, board.since = code, 0.0
        board.write()


def _send(child: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, number)


def _wait(child: int, board: Board) -> int | str:
    """Return the child's wait status, or why it was ended."""
    waiting = True
    deadline = None
    while waiting:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status
        board.read()
        now = time.monotonic()
        if board.code != UNKNOWN:
            deadline = deadline or now + LAST_SECONDS
        overdue = board.code == UNKNOWN and board.since and now > board.since + import_seconds()
        if overdue or (deadline is not None and now > deadline):
            waiting = False
        else:
            _sleep_until_child_ends(child)
    return _ended(child)


def _sleep_until_child_ends(child: int) -> None:
    """Return when the child has ended, or after a moment."""
    try:
        handle = os.pidfd_open(child)
    except (AttributeError, OSError):
        time.sleep(0.02)
        return
    import select

    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        poll.poll(TICK * 1000)
    finally:
        os.close(handle)


def _ended(child: int) -> str:
    """End the child; return in words that it took too long."""
    _send(child, WHERE)
    time.sleep(0.2)
    _send(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return f"did not end within {import_seconds():g} s"


def _code(how: int | str, board: Board, trace: int | None) -> int:
    """Return the exit code that the command said, or say what became of it."""
    board.read()
    if board.word:
        sys.stderr.write(f"{board.word}\n")
    if board.code != UNKNOWN:
        return board.code
    told = how if isinstance(how, str) else ended(how)
    if isinstance(how, str) and trace is not None:
        where = [line for line in last_words(os.pread(trace, 1 << 16, 0)).split("\n") if line and "<frozen" not in line]
        told = ", ".join((told, *where[:1]))
    if board.since:
        more = f"; more time: {IMPORT_SECONDS}=300" if isinstance(how, str) else ""
        sys.stderr.write(f"rnncheck: {board.target}: cannot be imported: while it is imported, {_it(told)}{more}\n")
        return USAGE
    sys.stderr.write(f"rnncheck: incomplete: {told}, before there was a report; what failed until then is under .rnncheck\n")
    return INCOMPLETE


def _it(told: str) -> str:
    return told if told.startswith("the ") else f"the process {told}" if told.startswith("did") else f"the process is {told}"
