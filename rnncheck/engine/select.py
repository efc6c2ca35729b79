"""The engine of a name, or the nearest thing to it that this machine can do."""

import os
import sys
import time
from collections.abc import Sequence
from typing import Any

import torch

from rnncheck.engine.inline import Inline
from rnncheck.engine.jobs import CASE_SECONDS, Engine, WorkerContext
from rnncheck.engine.serialise import Unpackable, pack
from rnncheck.errors import UsageError
from rnncheck.system.signals import children_reported

ENGINES = ("processes", "inline", "ray")
TRIAL_SECONDS = 20.0


def make_engine(
    name: str,
    workshop: WorkerContext,
    jobs: int | None = None,
    *,
    devices: Sequence[str] = ("cpu",),
    case_seconds: float = CASE_SECONDS,
    memory: int | None = None,
    address: str | None = None,
) -> Engine:
    """The engine of this name; its ``note`` says so where it is not quite what was asked for.

    jobs:         workers, default one a core; with ray, tasks at a time, default what the cluster has room for
    devices:      where the subjects run; a process that already uses CUDA cannot be forked for it
    case_seconds: wall time until a check counts as hung
    memory:       bytes that a worker may take beyond what it starts with
    address:      of the Ray cluster; default: the environment variable RNNCHECK_RAY_ADDRESS, else Ray's own default

    Raises UsageError on another name, and where Ray is asked for and not installed.
    """
    options: dict[str, Any] = {"case_seconds": case_seconds, "memory": memory}
    if name == "inline":
        return Inline(workshop)
    if name == "processes":
        return _isolated(workshop, jobs, devices, options)
    if name == "ray":
        from rnncheck.engine.ray import Ray

        return Ray(workshop, jobs, address=address, **options)
    raise UsageError(f"engine = {name!r}, but should be one of {', '.join(ENGINES)}")


def _isolated(workshop: WorkerContext, jobs: int | None, devices: Sequence[str], options: dict[str, Any]) -> Engine:
    if not hasattr(os, "fork"):
        return Inline(workshop, note="in this process, without isolation, since this system cannot fork")
    from rnncheck.engine.processes import Processes, WorkerMistake
    from rnncheck.engine.spawned import Spawned

    reason = next(filter(None, map(why_not_fork, devices)), None)
    if reason is None:
        return Processes(workshop, jobs, **options)
    try:
        return Spawned(pack(workshop), jobs, note=f"workers of a fresh process, since {reason}", **options)
    except (Unpackable, WorkerMistake, OSError) as error:
        last = str(error).strip().split("\n")[-1]
        return Inline(workshop, note=f"in this process, without isolation, since {reason}, and {last}")


def why_not_fork(device: str = "cpu") -> str | None:
    """Why a fork of this process could not do the work, found by trying; None where it can."""
    from rnncheck.system.fork import fork

    if sys.platform == "darwin":
        return "macOS' own libraries do not survive a fork"
    with children_reported():
        try:
            pid = fork(lambda parent: _try_out(device))
        except OSError as error:
            return f"the system starts no more processes: {error.strerror}"
        deadline = time.monotonic() + TRIAL_SECONDS
        while time.monotonic() < deadline:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return None if status == 0 else f"torch does not work in a fork of this process (device {device})"
            time.sleep(0.001)
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        return f"torch hangs in a fork of this process (device {device})"


def _try_out(device: str) -> None:
    """In a fork: forward and backward, which fail where the parent has threads or a context that the fork lacks."""
    code = 1
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        torch.set_num_threads(1)
        torch.ones(2, 2, device=device, requires_grad=True).mm(torch.ones(2, 2, device=device)).sum().backward()
        code = 0
    finally:
        os._exit(code)
