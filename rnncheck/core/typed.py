"""Data from a file as one of our dataclasses: every field of its type, none missing, none unknown; one line where not."""

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

from rnncheck.core.plain_text import one_line

T = TypeVar("T")
DEEPEST = 40
"""Levels of nesting; nothing of ours has more than ten."""
PLACE = re.compile(r"(.*) - at `\$\.?(.*)`")


class NotTyped(ValueError):
    """Data that is not of the type that was asked for; the message is one line with the place."""


def typed(data: Any, kind: type[T]) -> T:
    """Return ``data`` (JSON or TOML, parsed) as ``kind``; raises NotTyped.

    A field that ``kind`` does not know is refused; with defaults in ``kind`` a field may be missing.
    """
    check_depth(data)
    check_known(data, kind)
    return _converted(data, kind)


def typed_part(data: Any, kind: type[T]) -> T:
    """Return what ``kind`` asks for of ``data``, which may have other fields too; raises NotTyped."""
    check_depth(data)
    return _converted(data, kind)


def _converted(data: Any, kind: type[T]) -> T:
    try:
        return msgspec.convert(data, kind)
    except (msgspec.ValidationError, ValueError, TypeError, OverflowError, RecursionError) as error:
        text = one_line(error)
        found = PLACE.fullmatch(text)
        if found is None:
            raise NotTyped(text) from None
        words = _words(kind, found[2]) if found[1].startswith("Invalid enum value") else ""
        raise NotTyped(f"{found[2]}: {found[1]}{words}") from None


def _words(kind: Any, place: str) -> str:
    """What may stand at a place, where that is one of a few words."""
    for name in re.findall(r"[^.\[\]]+", place):
        nouns = [one for one in (kind, *_inside(kind)) if is_dataclass(one)]
        kind = get_type_hints(nouns[0]).get(name, kind) if nouns else kind
    allowed = [one for one in (*get_args(kind), *_inside(kind)) if isinstance(one, str)]
    return f", but should be one of {', '.join(dict.fromkeys(allowed))}" if allowed else ""


def check_depth(data: Any, deepest: int = DEEPEST) -> None:
    """Raise NotTyped where data is nested deeper than anything of ours, before anything recursive meets it."""
    level = [data]
    for _ in range(deepest):
        level = [part for whole in level if isinstance(whole, dict | list | tuple)
                 for part in (whole.values() if isinstance(whole, dict) else whole)]  # fmt: skip
        if not level:
            return
    raise NotTyped(f"it is nested more than {deepest} levels deep")


def check_known(data: Any, kind: Any, place: str = "") -> None:
    """Raise NotTyped on a key that a dataclass, or a dataclass inside of it, does not know."""
    nouns = [one for one in (kind, *_inside(kind)) if is_dataclass(one)]
    if not nouns:
        return
    if isinstance(data, list | tuple):
        for part in data:
            check_known(part, nouns[0], place)
    if not isinstance(data, Mapping):
        return
    hints = get_type_hints(nouns[0])
    names = {field.name for field in fields(nouns[0])}
    for key, value in data.items():
        if key not in names:
            raise NotTyped(f"{place}unknown field {one_line(key, 80)!r}; known are {', '.join(sorted(names))}")
        check_known(value, hints[key], f"{place}{key}.")


def _inside(kind: Any) -> list[Any]:
    """The types in ``X | None`` and ``tuple[X, ...]``, at any depth."""
    parts = list(get_args(kind))
    return parts + [inner for part in parts for inner in _inside(part)]
