"""Isolated workers for where this process must not be forked: a fresh Python process is started, which forks them."""

import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rnncheck.backend import own_functions
from rnncheck.engine.channel import Inbox, send
from rnncheck.engine.jobs import Done, Job
from rnncheck.engine.processes import Processes, WorkerMistake
from rnncheck.engine.worker import Mistake
from rnncheck.system.descendants import OURS
from rnncheck.system.fork import die_with

BEGIN, MORE, END = "begin", "more", "end"
"""The words between the two processes, beside Job and Done: begin a run, give me a job, this run is over."""
LAST_SECONDS = 5.0
"""Time for the fresh process to end its workers."""


@dataclass(frozen=True)
class Setup:
    """What the fresh process needs: where to import from, the packed workshop, and the options of Processes."""

    path: tuple[str, ...]
    workshop: bytes
    jobs: int | None
    options: dict[str, Any]


class Spawned:
    """The engine of isolated workers, in a process of its own that takes jobs from this one.

    workshop: as rnncheck.engine.serialise.pack made it; ``options`` are those of Processes.

    Raises WorkerMistake where the workshop cannot be unpacked there.
    """

    def __init__(self, workshop: bytes, jobs: int | None = None, *, note: str | None = None, **options: Any) -> None:
        self.setup = Setup(tuple(sys.path), workshop, jobs, options)
        self.note = note
        self.process: subprocess.Popen[bytes] | None = None
        self._start()

    def _start(self) -> None:
        command = [sys.executable, "-c", "from rnncheck.engine.spawned import serve; serve()"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0)
        OURS.add(self.process.pid)
        assert self.process.stdin is not None and self.process.stdout is not None
        self.jobs, self.inbox = self.process.stdin.fileno(), Inbox(self.process.stdout.fileno())
        try:
            send(self.jobs, self.setup)
            self._receive()
        except BaseException:
            self.close()
            raise

    def run(self, jobs: Iterable[Job]) -> Iterator[Done]:
        """In the order of the jobs."""
        coming, over = iter(jobs), False
        if self.process is None:
            self._start()
        try:
            send(self.jobs, BEGIN)
            while (message := self._receive()) != END:
                if message == MORE:
                    send(self.jobs, next(coming, None))
                else:
                    yield message
            over = True
        finally:
            if not over:  # it may still be at work on what nobody wants any more
                self.close()

    def _receive(self) -> Any:
        try:
            message = self.inbox.receive()
        except EOFError:
            raise WorkerMistake("the process that isolates the workers has ended") from None
        if isinstance(message, Mistake):
            raise WorkerMistake(message.text)
        return message

    def close(self) -> None:
        """Kill the process, and with it its workers."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.communicate(timeout=LAST_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
        self.process = None


def serve() -> None:
    """The life of the fresh process."""
    die_with(os.getppid())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    inbox, messages = Inbox(os.dup(0)), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    try:
        setup = inbox.receive()
        sys.path[:] = setup.path
        with own_functions.kept():
            with own_functions.subject_code():  # its modules are imported here
                workshop = pickle.loads(setup.workshop)
            engine = Processes(workshop, setup.jobs, **setup.options)
            signal.signal(signal.SIGTERM, lambda *_: sys.exit())
            send(messages, BEGIN)
            _serve_runs(engine, inbox, messages)
    except EOFError:
        return  # there is no parent to work for
    except BaseException as error:
        if not isinstance(error, SystemExit):
            send(messages, Mistake(traceback.format_exc()))


def _serve_runs(engine: Processes, inbox: Inbox, messages: int) -> None:
    def ask() -> Iterator[Job]:
        send(messages, MORE)
        while (job := inbox.receive()) is not None:
            yield job
            send(messages, MORE)

    try:
        while inbox.receive() == BEGIN:
            for done in engine.run(ask()):
                send(messages, done)
            send(messages, END)
    finally:
        engine.close()
