"""Failing cases on disk: written before anything else happens, read back with care, never deleted."""

import json
import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from rnncheck.core.case import Case, CaseError
from rnncheck.core.clip_case import ClipCase
from rnncheck.core.pair_case import PairCase
from rnncheck.core.plain_text import one_line, quoted
from rnncheck.core.step_case import StepCase
from rnncheck.core.typed import NotTyped, typed
from rnncheck.files.reading import MIB, FileError, read_json, reason
from rnncheck.files.writing import write_whole

SCHEMA = 1
FOLDER = Path(".rnncheck")
LONGEST_FILE = 4 * MIB
MOST_FILES = 1_000
"""Case files of a folder that are read at the start of a run: the newest."""
MOST_NUMBERED = 100
"""The number of targets with one last name that get a number each; later ones get a random name."""
KINDS: dict[str, Any] = {"layer": Case, "clip": ClipCase, "step": StepCase, "pair": PairCase}


class StoreError(FileError):
    """A case file that cannot be used; the message is one line."""


class FromTheFuture(StoreError):
    """A case file that a newer rnncheck has written: it is left as it is."""


@dataclass(frozen=True)
class Contents:
    """What stands in a case file beside its schema and its case; ``target`` and ``against`` name code, which is not run."""

    property: str
    target: str
    kind: str
    against: str | None = None
    mended: bool = False


@dataclass(frozen=True)
class Stored:
    """A case with the property that it fails and the target that fails it; ``mended`` once it no longer does."""

    property: str
    target: str
    kind: str
    case: Any
    against: str | None = None
    mended: bool = False
    path: Path | None = None


def file_name(property: str, target: str, suffix: str = ".json") -> str:
    """``time.split-FastLSTM.json``, with what a file system could stumble over replaced."""
    own = target.partition(" typed by ")[0]
    return re.sub(r"[^A-Za-z0-9._-]+", "_", f"{property}-{own.rpartition(':')[2] or own}")[:120] + suffix


def save(stored: Stored, folder: Path) -> Path:
    """Write atomically under ``folder``; raises OSError where the disk refuses."""
    return write_json(
        _free(folder, stored),
        {
            "schema": SCHEMA,
            "property": stored.property,
            "target": stored.target,
            "against": stored.against,
            "kind": stored.kind,
            "mended": stored.mended,
            "case": stored.case.to_json(),
        },
    )


def _free(folder: Path, stored: Stored) -> Path:
    """The file of this property and target: another target of the same last name has another number."""
    path = folder / file_name(stored.property, stored.target)
    for number in count(2):
        if not os.path.lexists(path) or _target_in(path) == stored.target:
            return path
        ending = f"-{number}" if number <= MOST_NUMBERED else f"-{zlib.crc32(stored.target.encode(errors='replace')):08x}-{number}"
        path = folder / file_name(stored.property, stored.target, f"{ending}.json")
    raise AssertionError("numbers do not end")


def _target_in(path: Path) -> str | None:
    try:
        return load(path).target
    except StoreError:  # what cannot be read is not overwritten
        return None


def write_json(path: Path, data: Any) -> Path:
    """Write a case file, whole or not at all; raises OSError where the disk refuses."""
    return write_whole(path, json.dumps(data, indent=2, allow_nan=True))


def load(path: Path) -> Stored:
    """Read a case file; raises StoreError with one clear line."""
    try:
        data = read_json(path, LONGEST_FILE, "a case file")
    except FileError as error:
        raise StoreError(str(error)) from None
    name = one_line(path)
    schema = data.get("schema") if isinstance(data, dict) else type(data).__name__
    if type(schema) is int and schema > SCHEMA:
        raise FromTheFuture(f"{name}: schema = {quoted(schema)}, but should be {SCHEMA}: a newer rnncheck has written it")
    if not isinstance(data, dict) or schema != SCHEMA:
        raise StoreError(f"{name}: schema = {quoted(schema)}, but should be {SCHEMA}; was it written by another version?")
    told = {key: value for key, value in data.items() if key not in ("schema", "case")}
    try:
        contents = typed(told, Contents)
        if "case" not in data:
            raise NotTyped("it has no case")
        return Stored(contents.property, contents.target, contents.kind, case_from_json(contents.kind, data["case"]),
                      contents.against, contents.mended, path)  # fmt: skip
    except CaseError as error:
        raise StoreError(f"{name}: {one_line(error)}") from None
    except ValueError as error:
        raise StoreError(f"{name}: not a case file: {one_line(error)}") from None


def case_from_json(kind: str, data: Any) -> Any:
    """A case for a subject of this kind, ``layer``, ``clip``, ``step`` or ``pair``; raises ValueError."""
    if kind not in KINDS:
        raise NotTyped(f"kind = {quoted(kind)}, but should be one of {', '.join(KINDS)}")
    return KINDS[kind].from_json(data)


def load_all(folder: Path) -> tuple[list[Stored], list[str]]:
    """Every case file of a folder, and a line for each that had to be set aside (renamed to ``*.unreadable``).

    Of more than MOST_FILES the newest; what a newer rnncheck has written stays as it is.
    """
    stored, complaints = [], []
    try:
        names, left = _newest(folder)
    except OSError as error:
        return [], [] if isinstance(error, FileNotFoundError) else [f"{one_line(folder)}: cannot be read: {reason(error)}"]
    for path in names:
        try:
            stored.append(load(path))
        except FromTheFuture as error:
            complaints.append(f"{error}; left as it is")
        except StoreError as error:
            complaints.append(f"{error}; {_set_aside(path)}")
    if left:
        complaints.append(f"{one_line(folder)}: {left} case files are not read, only the newest {MOST_FILES}; "
                          "delete those that are no longer needed")  # fmt: skip
    return stored, complaints


def _newest(folder: Path) -> tuple[list[Path], int]:
    """The newest case files of a folder, by name, and how many more there are."""
    with os.scandir(folder) as entries:
        found = [Path(entry.path) for entry in entries if entry.name.endswith(".json") and not entry.name.startswith(".")]
    kept = found if len(found) <= MOST_FILES else sorted(found, key=_age)[:MOST_FILES]
    return sorted(kept), len(found) - len(kept)


def _age(path: Path) -> float:
    try:
        return -path.lstat().st_mtime
    except OSError:  # another run has just taken it away
        return 0.0


def _set_aside(path: Path) -> str:
    """Rename what cannot be read, over nothing that is there; what was done, in words."""
    try:
        path.rename(next(place for place in _asides(path) if not os.path.lexists(place)))
    except OSError as error:
        return f"it could not be set aside: {reason(error)}"
    return "set aside"


def _asides(path: Path) -> Iterator[Path]:
    yield path.with_suffix(".unreadable")
    yield from (path.with_suffix(f".{number}.unreadable") for number in count(2))
