"""The subject's own code at work: what it raises is its own, and the random state it draws from is the case's."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from rnncheck.backend import own_functions
from rnncheck.backend.unimplemented import is_unimplemented
from rnncheck.core.plain_text import plain, type_name
from rnncheck.core.subject import Malformed, NotClaimed
from rnncheck.system.copies import end_a_copy


class SubjectError(Exception):
    """The subject raised; the cause is its own exception. ``doing`` is building, calling and so on, ``what`` a layer that is
    not the case's own."""

    def __init__(self, doing: str, cause: BaseException, what: str = "") -> None:
        super().__init__(f"{type_name(cause)} while {f'{doing} {what}'.strip()}: {plain(cause)}")
        self.doing = doing
        self.cause = cause


class Unimplemented(SubjectError):
    """What torch's own kernels have no implementation for on this processor: it says nothing about the subject."""


class NotReached(Exception):
    """What a check needs is not in this machine: a device, a package. The message says which."""


class subject_boundary:
    """Turns whatever the subject raises into SubjectError, SystemExit and its like included.

    What TorchScript compiled runs as written: its optimizer, which depends on earlier calls, is off.
    A KeyboardInterrupt is the user's, unless SIGINT is ignored, as it is in isolated workers: then it is the subject's.
    """

    _inside = threading.local()

    def __init__(self, doing: str, what: str = "") -> None:
        self.doing = doing
        self.what = what

    def __enter__(self) -> None:
        self._process = os.getpid()
        self._inside.depth = self.depth() + 1
        if self._inside.depth == 1:
            own_functions.entered()
            self._as_written = torch.jit.optimized_execution(False)
            self._as_written.__enter__()

    def __exit__(self, kind: type[BaseException] | None, cause: BaseException | None, traceback: object) -> None:
        end_a_copy(self._process)
        self._inside.depth = self.depth() - 1
        if self._inside.depth == 0:
            own_functions.left()
            self._as_written.__exit__(None, None, None)
        interrupted = issubclass(kind or type(None), KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
        judged = issubclass(kind or type(None), SubjectError | Malformed | NotClaimed | NotReached)  # by an inner one, or by us
        if cause is not None and not interrupted and not judged:
            raised = Unimplemented if is_unimplemented(cause) else SubjectError
            raise raised(self.doing, cause, self.what) from cause

    @classmethod
    def depth(cls) -> int:
        """How deep inside a subject this thread is: what a program does around its own calls is left out there."""
        return getattr(cls._inside, "depth", 0)


@contextmanager
def seeded(seed: int, device: str = "cpu") -> Iterator[None]:
    """torch's global random state starts at ``seed`` inside, and is as it was afterwards."""
    default = torch.default_generator
    before, elsewhere = default.get_state(), [torch.device(device)] if device.startswith("cuda") else []
    with torch.random.fork_rng(devices=elsewhere, enabled=bool(elsewhere)):
        default.manual_seed(seed)
        if elsewhere:
            torch.cuda.manual_seed_all(seed)
        try:
            yield
        finally:
            default.set_state(before)
