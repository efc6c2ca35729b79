"""Failing cases on disk: written before anything else happens, read back with care, never deleted."""

import json
import os
import re
import tempfile
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from rnncheck.core.case import Case, CaseError

SCHEMA = 1
FOLDER = Path(".rnncheck")


class StoreError(ValueError):
    """A case file that cannot be used; the message is one line."""


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
    return re.sub(r"[^A-Za-z0-9._-]+", "_", f"{property}-{target.rpartition(':')[2] or target}")[:120] + suffix


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
        if not path.exists() or _target_in(path) == stored.target:
            return path
        path = folder / file_name(stored.property, stored.target, f"-{number}.json")
    raise AssertionError("numbers do not end")


def _target_in(path: Path) -> str | None:
    try:
        return load(path).target
    except StoreError:  # what cannot be read is not overwritten
        return None


def write_json(path: Path, data: Any) -> Path:
    """Atomic: a reader sees the old file or the new one, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(data, file, indent=2, allow_nan=True)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def load(path: Path) -> Stored:
    """Read a case file; raises StoreError with one clear line."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StoreError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise StoreError(f"{path}: not a case file: {error}") from None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        came = data.get("schema") if isinstance(data, dict) else type(data).__name__
        raise StoreError(f"{path}: schema = {came!r}, but should be {SCHEMA}; was it written by another version?")
    try:
        case = case_from_json(data["kind"], data["case"])
        return Stored(data["property"], data["target"], data["kind"], case, data["against"], data["mended"], path)
    except (KeyError, CaseError, TypeError, ValueError) as error:
        raise StoreError(f"{path}: not a case file: {error}") from None


def case_from_json(kind: str, data: Any) -> Any:
    """A case for a subject of this kind, ``layer`` or ``clip``; raises KeyError or ValueError."""
    from rnncheck.core.clip_case import ClipCase

    kinds: dict[str, Any] = {"layer": Case, "clip": ClipCase}
    return kinds[kind].from_json(data)


def load_all(folder: Path) -> tuple[list[Stored], list[str]]:
    """Every case file of a folder, and a line for each that had to be set aside (renamed to ``*.unreadable``)."""
    stored, complaints = [], []
    for path in sorted(folder.glob("*.json")):
        try:
            stored.append(load(path))
        except StoreError as error:
            complaints.append(f"{error}; set aside")
            path.replace(path.with_suffix(".unreadable"))
    return stored, complaints
