"""From what a person writes (``package.module:attr``, ``file.py:attr``, ``torch.nn.LSTM``) to the object it names."""

import difflib
import importlib
import importlib.util
import os
import sys
import traceback
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from rnncheck.core.plain_text import one_line, quoted, said
from rnncheck.errors import UsageError

FORMS = "package.module:attr, path/to/file.py:attr, or dotted (torch.nn.LSTM)"


class NoImport(UsageError):
    """A file imports what is not there, as far as its own folder shows."""


@dataclass(frozen=True)
class Located:
    """An object, what the reports call it, and how a script gets at it.

    lines: Python lines after which ``expression`` is the object; None where a script cannot import it
    """

    object: Any
    name: str
    lines: str | None = None
    expression: str | None = None
    reference: str | None = None

    @property
    def place(self) -> str | None:
        """What the command line takes for it; None where no name leads to it."""
        return self.name if self.reference is not None or self.lines is not None else None

    def __reduce__(self) -> Any:
        """What was found by a reference is found again by it: another process has not loaded the file yet."""
        if self.reference is not None:
            return locate, (self.reference,)
        return Located, (self.object, self.name, self.lines, self.expression)


def locate(reference: str) -> Located:
    """The object that ``reference`` names; raises UsageError with one line where there is none.

    >>> locate("torch.nn:LSTM").object
    <class 'torch.nn.modules.rnn.LSTM'>
    >>> locate("torch.nn.LSTN")
    Traceback (most recent call last):
    rnncheck.errors.UsageError: torch.nn.LSTN: torch.nn has no LSTN; did you mean LSTM?
    """
    place, attribute = _split(reference)
    if _is_file(place):
        return _in_file(reference, Path(place), attribute)
    if place != reference:
        with _importing(reference, Path.cwd()):
            module = importlib.import_module(place)
        return _walk(reference, module, place, attribute)
    return _dotted(reference)


def import_place(place: str) -> ModuleType:
    """The module that a file (``path/to/file.py``) or a dotted name (``package.module``) is; raises UsageError in one line."""
    if _is_file(place):
        path = Path(place)
        if not path.is_file():
            raise UsageError(f"{place}: there is no file {path}; name one as path/to/file.py, or a module as package.module")
        return _load(place, path.resolve())
    with _importing(place, Path.cwd()):
        return importlib.import_module(place)


def require_there(reference: str) -> None:
    """Raise UsageError where the file or the outermost module is not there, without an import."""
    place, _ = _split(reference)
    if _is_file(place):
        _require_file(reference, Path(place))
        return
    top = place.partition(".")[0]
    if place == reference and not all(part.isidentifier() or part.isdigit() for part in place.split(".")):
        raise UsageError(f"{reference!r} names nothing that can be imported; should be {FORMS}")
    sys.path.insert(0, str(Path.cwd()))
    try:
        missing = top.isidentifier() and top not in sys.modules and importlib.util.find_spec(top) is None
    except (ImportError, ValueError):  # the import itself will say what is wrong
        missing = False
    finally:
        sys.path.remove(str(Path.cwd()))
    if missing:
        raise UsageError(_no_module(reference, top))


def _split(reference: str) -> tuple[str, str]:
    """The place before the last colon, and the attribute after it; where there is none, the whole and nothing."""
    place, colon, attribute = reference.rpartition(":")
    return (place, attribute) if colon and "/" not in attribute and "\\" not in attribute else (reference, "")


def _is_file(place: str) -> bool:
    return place.endswith(".py") or "/" in place or os.sep in place


def _require_file(reference: str, path: Path) -> None:
    if not path.is_file():
        raise UsageError(f"{reference}: there is no file {path}; name one as path/to/file.py:attr")


def _no_module(reference: str, name: str) -> str:
    return f"{reference}: there is no module {name}; should be {FORMS}"


def _in_file(reference: str, path: Path, attribute: str) -> Located:
    _require_file(reference, path)
    whole = path.resolve()  # before the file can change the current folder
    folders, name = [whole.parent], path.stem
    try:
        module = _load(reference, whole)
    except NoImport:
        folders, name = _elsewhere(whole)
        module = _load(reference, whole, folders, name)
    value = _get(reference, module, str(path), attribute)
    if path.stem.isidentifier():
        first = attribute.partition(".")[0]
        paths = "\n".join(f"sys.path.insert(0, {str(folder)!r})" for folder in folders)
        lines = f"import sys\n\n{paths}\nfrom {name} import {first}"
        return Located(value, reference, lines, attribute, reference)
    top, _, rest = attribute.partition(".")
    expression = f"runpy.run_path({str(whole)!r})[{top!r}]" + (f".{rest}" if rest else "")
    return Located(value, reference, "import runpy", expression, reference)


def _elsewhere(path: Path) -> tuple[list[Path], str]:
    """Where else its imports may lead, and its name there: in the current folder, and in the package that the file is a part of."""
    root, parts = path.parent, [path.stem]
    while (root / "__init__.py").is_file() and root.name.isidentifier():
        root, parts = root.parent, [root.name, *parts]
    return list(dict.fromkeys([Path.cwd(), root])), ".".join(parts)


def _load(reference: str, path: Path, folders: Sequence[Path] = (), place: str = "") -> ModuleType:
    """The file as a module of a private name; again only if the file has changed. As a part of its package, under its own name."""
    if "." in place:
        with _importing(reference, *folders):
            return importlib.import_module(place)
    name = f"_rnncheck_{path.stem}_{zlib.crc32(str(path).encode()):08x}"
    stamp = (path.stat().st_mtime_ns, path.stat().st_size)
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__rnncheck_stamp__", None) == stamp:
        return known
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # classes are pickled by the name of their module
    try:
        with _importing(reference, *folders, path.parent, path=path):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    module.__dict__["__rnncheck_stamp__"] = stamp
    return module


def _dotted(reference: str) -> Located:
    """The longest importable front of a dotted name is the module, the rest the attribute."""
    parts = reference.split(".")
    if not all(part.isidentifier() or part.isdigit() for part in parts):
        raise UsageError(f"{reference!r} names nothing that can be imported; should be {FORMS}")
    for end in range(len(parts), 0, -1):
        place = ".".join(parts[:end])
        with _importing(reference, Path.cwd()):
            module = _import_if_there(place)
        if module is not None:
            return _walk(reference, module, place, ".".join(parts[end:]))
    raise UsageError(_no_module(reference, parts[0]))


def _import_if_there(place: str) -> ModuleType | None:
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name is not None and (place == error.name or place.startswith(error.name + ".")):
            return None  # it is this name that is no module: the module itself does not import something missing
        raise


def _walk(reference: str, module: ModuleType, place: str, attribute: str) -> Located:
    value = _get(reference, module, place, attribute)
    return Located(value, reference, f"import {place}", f"{place}.{attribute}", reference)


def _get(reference: str, module: ModuleType, place: str, attribute: str) -> Any:
    value: Any = module
    if not attribute:
        raise UsageError(f"{reference}: is a module, but should name what is in it, as {place}:{_something_in(module)}")
    for part in attribute.split("."):
        try:
            value = getattr(value, part)
        except Exception as error:  # a property of the user's may raise anything
            raise UsageError(f"{reference}: {place} has no {part}{_close(part, value, error)}") from None
        place = f"{place}.{part}"
    return value


def _close(part: str, value: Any, error: Exception) -> str:
    if not issubclass(type(error), AttributeError):
        return f": {said(error)}"
    names = {name.lower(): name for name in dir(value)}
    close = [names[name] for name in difflib.get_close_matches(part.lower(), names, n=3)]
    return f"; did you mean {', '.join(close)}?" if close else ""


def _something_in(module: ModuleType) -> str:
    """The classes that the module defines."""
    classes = {name: value for name, value in vars(module).items() if isinstance(value, type)}
    own = [name for name, value in classes.items() if value.__module__ == module.__name__ and not name.startswith("_")]
    return " or ".join(own[:5]) if own else "attr"


@contextmanager
def _importing(reference: str, *folders: Path, path: Path | None = None) -> Iterator[None]:
    """Imports see the folders first, the last of them before all; what is printed goes to stderr, what is raised becomes one line.

    The folders stay at the very end of sys.path, for what is imported only when something is called.
    """
    added = list(map(str, reversed(folders)))
    sys.path[:0] = added
    try:
        from rnncheck.backend import own_functions  # imports torch, which answers to wrong usage do without
        from rnncheck.backend.torch_state import default_device_kept

        with redirect_stdout(sys.stderr), default_device_kept(), own_functions.subject_code():
            yield
    except SystemExit as stop:
        raise UsageError(
            f"{reference}: cannot be imported: it calls sys.exit({quoted(stop.code)}) when imported; "
            'put what is run under: if __name__ == "__main__"'
        ) from None
    except UsageError as error:
        raise UsageError(f"{reference}: {error}{_where(error, path) if path is not None else ''}") from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        kind = NoImport if issubclass(type(error), ImportError) else UsageError
        raise kind(f"{reference}: cannot be imported: {said(error)}{_where(error, path)}{_hint(error)}") from None
    finally:
        for folder in added:
            sys.path.remove(folder)
        sys.path += [folder for folder in added if folder not in sys.path]


def _where(error: BaseException, path: Path | None) -> str:
    if issubclass(type(error), SyntaxError):
        return ""  # says it itself
    frames = traceback.extract_tb(BaseException.__dict__["__traceback__"].__get__(error))
    own = [f for f in frames if path is not None and f.filename == str(path)]
    last = (own or [f for f in frames if not f.filename.startswith("<frozen")] or frames)[-1]
    return "" if last.filename == __file__ or "importlib" in last.filename else f" ({one_line(last.filename)}:{last.lineno})"


def _hint(error: BaseException) -> str:
    relative = issubclass(type(error), ImportError) and "relative import" in one_line(error)
    return "; it is part of a package: name it as package.module:attr" if relative else ""


def described(value: Any) -> Located:
    """An object that was handed over as it is, with the name and the import that lead to it, where there are any."""
    if isinstance(value, ModuleType):
        return Located(value, value.__name__)
    name = getattr(value, "__qualname__", None) or type(value).__qualname__
    place = getattr(value, "__module__", None)
    if place is None or "<" in name or not _leads_to(place, name, value):
        return Located(value, name.rpartition(".")[2] if "<" in name else name)
    if place == "__main__" or place.startswith("_rnncheck_"):
        return Located(value, name)
    parts = place.split(".")
    fronts = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
    public = next(front for front in fronts if _leads_to(front, name, value))
    return Located(value, f"{public}.{name}", f"import {public}", f"{public}.{name}")


def _leads_to(place: str, name: str, value: Any) -> bool:
    found: Any = sys.modules.get(place)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is value
