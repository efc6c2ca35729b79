"""A workshop as bytes, for processes that were not forked from this one; classes of loose scripts included."""

import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

from rnncheck.core.plain_text import said
from rnncheck.engine.jobs import WorkerContext


class Unpackable(Exception):
    """The subjects cannot be sent to another process; the message says why."""


def pack(workshop: WorkerContext, elsewhere: bool = False) -> bytes:
    """Bytes that ``pickle.loads`` makes the workshop of, where rnncheck is installed; raises Unpackable.

    What is in packages goes by name; what another process could not import goes by value. ``elsewhere``: so does what
    lies outside site-packages, for a machine that may not have it.
    """
    try:
        import cloudpickle  # type: ignore[import-untyped]
    except ImportError:
        raise Unpackable("subjects are sent by cloudpickle, which is not installed: pip install cloudpickle") from None
    try:
        with _by_value(elsewhere):
            return bytes(cloudpickle.dumps(workshop))
    except Exception as error:  # whatever an object's own pickling raises
        raise Unpackable(f"a subject cannot be sent: {said(error)}") from error


@contextmanager
def _by_value(elsewhere: bool) -> Iterator[None]:
    import cloudpickle

    modules = [m for name, m in list(sys.modules.items()) if "." not in name and _goes_by_value(name, m, elsewhere)]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def _goes_by_value(name: str, module: ModuleType, elsewhere: bool) -> bool:
    places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]  # a package may have no file
    place = next(filter(None, places), None)
    if place is None or name in ("__main__", "rnncheck") or module.__name__ != name:
        return False
    installed = any(Path(place).is_relative_to(sysconfig.get_path(kind)) for kind in ("stdlib", "purelib", "platlib"))
    return not installed and (elsewhere or PathFinder.find_spec(name) is None)
