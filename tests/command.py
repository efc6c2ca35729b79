"""The command line, and scripts, in forks of this process, which has imported torch: two seconds less for each test."""

import faulthandler
import os
import runpy
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import rnncheck.campaign.verify
import rnncheck.report.terminal  # noqa: F401  # both here, once, and not in each fork
from rnncheck.faces.cli import command_line
from rnncheck.system.fork import fork
from rnncheck.system.supervised import open_standard_streams, supervised

SECONDS = 120.0


@dataclass(frozen=True)
class Ended:
    """The exit code of a command, negative where a signal ended it, and what it printed."""

    code: int
    out: str
    err: str


class Command:
    """``rnncheck`` with these words, in this folder; ``first`` is called in its process before it begins.

    run: another command, which returns its exit code
    """

    def __init__(
        self,
        folder: Path,
        *words: str,
        first: Callable[[], object] = lambda: None,
        run: Callable[[], int] = lambda: supervised(command_line),
    ) -> None:
        self.out, self.err = (folder / name for name in ("stdout", "stderr"))
        self.pid = fork(lambda parent: self._be(folder, words, first, run))

    def _be(self, folder: Path, words: tuple[str, ...], first: Callable[[], object], run: Callable[[], int]) -> None:
        code = 99
        try:
            os.chdir(folder)
            for number, path in ((1, self.out), (2, self.err)):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
            sys.argv = ["rnncheck", *words]
            sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
            sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr  # type: ignore[misc]
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
            faulthandler.disable()
            first()
            open_standard_streams()
            code = int(run())
        except BaseException:
            traceback.print_exc()
        finally:
            for stream in (sys.stdout, sys.stderr):
                with suppress(AttributeError, OSError):  # closed, or full
                    stream.flush()
            os._exit(code)

    def wait(self, seconds: float = SECONDS) -> Ended:
        """Wait for its end; it is killed after so many seconds, which no test accepts."""
        deadline = time.monotonic() + seconds
        while not (ended := os.waitpid(self.pid, os.WNOHANG))[0]:
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(0.02)
        out, err = (path.read_text(errors="replace") for path in (self.out, self.err))
        return Ended(os.waitstatus_to_exitcode(ended[1]), out, err)


def rnncheck(folder: Path, *words: str, first: Callable[[], object] = lambda: None) -> Ended:
    """Run the command to its end."""
    return Command(folder, *words, first=first).wait()


def script(folder: Path, file: str, *words: str) -> Ended:
    """Run a script of this folder as ``python FILE`` does, except that torch has been imported, and that no exit hook is called."""
    return Command(folder, run=lambda: _as_main(folder, file, words)).wait()


def _as_main(folder: Path, file: str, words: tuple[str, ...]) -> int:
    """Run a script; return the exit code that Python gives its process."""
    sys.argv, sys.path[:0] = [file, *words], [str((folder / file).parent)]
    try:
        runpy.run_path(file, run_name="__main__")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


QUICK = ("--jobs", "1", "--profile", "smoke", "--max-examples", "2")


def verify(folder: Path, target: str, *words: str, first: Callable[[], object] = lambda: None) -> Ended:
    """Run ``rnncheck verify`` on one property of a clip function, on few cases; a busy machine is given time."""
    return rnncheck(folder, "verify", target, *QUICK, "--properties", "clip.bound", "--budget", "60s", *words, first=first)
