"""Imports targets: their code is the subject's like any other, so that it may end the process, or not come back."""

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import torch

from rnncheck.adapters.targets import resolve
from rnncheck.adapters.targets.locate import import_place, locate
from rnncheck.adapters.targets.typed_names import TypedName
from rnncheck.core.plain_text import quoted
from rnncheck.core.subject import Subject
from rnncheck.engine import Job, WorkerContext
from rnncheck.engine.select import why_not_fork
from rnncheck.errors import UsageError
from rnncheck.system.descendants import spare_children
from rnncheck.system.signals import interrupted
from rnncheck.system.supervised import import_seconds, importing, is_supervised


def subjects(
    target: Any = None, against: Any = None, kind: str | None = None, typed: Any = None, time: str | None = None
) -> list[Subject]:
    """Return what rnncheck.adapters.targets.resolve.subjects returns, where importing it does not end this process.

    The command line has a process beside it that says how an import ended. Without one, as in a call of rnncheck.verify, a
    target that is named by a string is imported in a forked process first.

    Raises UsageError where something cannot be used, and where its import does not end, or ends the process.
    """
    names = [place for name in _named(target, against, typed) for place in TypedName.of(name).places]
    for name in names:
        if not is_supervised() and not _is_imported(name):
            _try_out(name, _stamp(name))
    named = ", ".join(names) or "the target"
    with importing(named), _as_before(named):
        return resolve.subjects(target, against, kind, typed, time)


def properties(places: Sequence[str]) -> None:
    """Import the files and modules that declare properties of the user's own; raises UsageError where that cannot be."""
    if isinstance(places, str):
        raise UsageError(f"properties_from = {quoted(places)}, but should be a list of files or modules")
    for place in places:
        with importing(str(place)), _as_before(str(place)):
            import_place(str(place))


@contextmanager
def _as_before(named: str) -> Iterator[None]:
    """Afterwards this process is in the folder that it was in; a copy of it that was forked meanwhile ends here."""
    pid, folder = os.getpid(), None
    with suppress(OSError):  # it may have been removed
        folder = Path.cwd()
    try:
        yield
    except KeyboardInterrupt:
        if interrupted():
            raise
        raise UsageError(f"{named}: cannot be imported: it raises KeyboardInterrupt when it is imported") from None
    finally:
        if os.getpid() != pid:
            os._exit(0)
        spare_children()
        if folder is not None:
            with suppress(OSError):
                os.chdir(folder)


def _named(target: Any, *others: Any) -> list[str]:
    """Return those of the targets that are named and have yet to be imported."""
    several = target if isinstance(target, list | tuple) else [target]
    return [str(one) for one in (*several, *others) if isinstance(one, str | Path)]


def _is_imported(name: str) -> bool:
    """Return whether nothing is run to import this: its package is there."""
    place = name.partition(":")[0]
    return not place.endswith(".py") and place.partition(".")[0] in sys.modules


def _stamp(name: str) -> int:
    """Return when the file of this name was changed, 0 if it is none."""
    with suppress(OSError):
        return Path(name.rpartition(":")[0]).stat().st_mtime_ns
    return 0


@cache
def _try_out(name: str, stamp: int) -> None:
    """Import the target in a forked process; raises UsageError where that ends the process, or does not end.

    What it raises there it raises again here. Where a fork could not tell, nothing is tried.
    """
    if threading.active_count() > 1 or torch.cuda.is_initialized() or why_not_fork():
        return
    from rnncheck.engine.processes import Processes, WorkerMistake

    def found(subject: Any) -> dict[str, Any]:
        locate(name)
        return {}

    limit = import_seconds()
    with closing(Processes(WorkerContext((None,), {}, found), 1, case_seconds=limit)) as engine:  # type: ignore[arg-type]
        try:
            (done,) = engine.run([Job(0, "probe", 0, seconds=limit)])
        except WorkerMistake:
            return
    if done.claims is None:
        told = " ".join((done.lost or "").partition(": ")[2].split())
        raise UsageError(f"{name}: cannot be imported: in a process of its own, {told}")
