"""Inside a worker: a process of its own that does jobs, tells what came of them, and never returns."""

import contextlib
import faulthandler
import fcntl
import gc
import os
import random
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import torch

from rnncheck.core.verdict import Outcome
from rnncheck.engine.channel import Inbox, send
from rnncheck.engine.current_check import Record
from rnncheck.engine.jobs import Done, Job, ProgressObserver
from rnncheck.system.descendants import adopt_orphans
from rnncheck.system.exit_reason import CONTEXT_LOST
from rnncheck.system.fork import HELD_BACK, WHERE, die_with

HIGH, ABOVE = 200, 10
"""Our pipes lie at or above this number, out of the way of a subject that closes the low ones; where the system allows no file
of so high a number, they lie ABOVE numbers below the last."""
_KEPT: list[Any] = []
"""The parent's streams: to release them would close their files, and write what the parent had not yet written."""

Do = Callable[[Job, ProgressObserver], Done]


@dataclass(frozen=True)
class Mistake:
    """An exception that no subject is to blame for, as its traceback's text."""

    text: str


@dataclass(frozen=True)
class Partly:
    """What a job has come to so far."""

    done: Done


@dataclass(frozen=True)
class Ends:
    """A worker's ends of its pipes: jobs come in, messages go out, and what the subject prints goes to the console."""

    jobs: int
    messages: int
    console: int


class Reporter(ProgressObserver):
    """Records each check before it begins and sends each outcome; a copy that the subject forked says nothing."""

    def __init__(self, record: Record, messages: int) -> None:
        self.record = record
        self.messages = messages
        self.pid = os.getpid()
        self.job = -1

    def before(self, place: int, what: str) -> None:
        self._leave_if_copied()
        random.seed(0)
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed(0)
        self.record.write(self.job, place, what)

    def after(self, place: int, outcome: Outcome) -> None:
        self.send((place, outcome))

    def partly(self, done: Done) -> None:
        self.send(Partly(done))

    def send(self, message: object) -> None:
        """Tell the parent, unless it would learn it from a worker whose CUDA context is lost."""
        self._leave_if_copied()
        _leave_if_context_lost()
        send(self.messages, message)

    def _leave_if_copied(self) -> None:
        if os.getpid() != self.pid:
            os._exit(0)


def work(do: Do, ends: Ends, record: Record, others: Iterable[int], parent: int) -> NoReturn:
    """The life of a worker, from the fork to its end."""
    code = 1
    try:
        jobs, reporter = _settle(ends, record, others, parent)
        _serve(do, jobs, reporter)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _settle(ends: Ends, record: Record, others: Iterable[int], parent: int) -> tuple[Inbox, Reporter]:
    gc.freeze()  # what the parent made is not ours to finalise
    with contextlib.suppress(OSError):
        os.setpgid(0, 0)
    die_with(parent)
    with contextlib.suppress(OSError, ValueError):  # to write down a gigabyte of torch's memory takes longer than the check
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    adopt_orphans()
    signal.set_wakeup_fd(-1)
    for name in (signal.SIGTERM, signal.SIGCHLD, signal.SIGALRM):
        signal.signal(name, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipes = (ends.jobs, ends.messages, ends.console)
    jobs, messages, console = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _lowest()) for fd in pipes)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (console, 1), (console, 2)):
        os.dup2(source, target)
    for fd in {nothing, console, *pipes, *others} - {0, 1, 2}:
        os.close(fd)
    _KEPT.extend((sys.stdin, sys.stdout, sys.stderr))
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout, sys.stderr = (os.fdopen(fd, "w", 1, errors="replace", closefd=False) for fd in (1, 2))
    faulthandler.enable(2)
    faulthandler.register(WHERE, 2)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)
    torch.set_num_threads(1)
    return Inbox(jobs), Reporter(record, messages)


def _lowest() -> int:
    """Return the lowest number of our pipes."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return HIGH if limit == resource.RLIM_INFINITY else max(3, min(HIGH, limit - ABOVE))


def _serve(do: Do, jobs: Inbox, reporter: Reporter) -> None:
    """Each job as it comes, until there is no parent to send one."""
    while True:
        try:
            job = jobs.receive()
        except EOFError:
            return
        reporter.job = job.index
        message: Any
        try:
            message = do(job, reporter)
            if job.kind == "judge":  # its outcomes have been sent one by one
                message = replace(message, outcomes=())
        except BaseException:
            message = Mistake(traceback.format_exc())
        reporter.send(message)


def _leave_if_context_lost() -> None:
    """After an error inside a CUDA kernel everything that the process asks of the device fails, whoever asks."""
    if not torch.cuda.is_initialized():
        return
    try:
        torch.cuda.synchronize()
    except Exception as error:
        os.write(2, f"the CUDA context can no longer be used: {error}\n".encode())
        os._exit(CONTEXT_LOST)
