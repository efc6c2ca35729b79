"""Reading a file that may be anything: every way in which it can be wrong is one line that names it."""

import json
import os
import stat
import tomllib
from pathlib import Path
from typing import Any

from rnncheck.core.plain_text import one_line
from rnncheck.core.typed import NotTyped, check_depth
from rnncheck.errors import UsageError

MIB = 1 << 20


class FileError(UsageError):
    """A file that cannot be used; the message is one line that names it."""


def file_error(path: Path, what: object) -> FileError:
    """Return the error of a file, on one line."""
    return FileError(f"{one_line(path)}: {one_line(what)}")


def read_bytes(path: Path, most: int) -> bytes:
    """Return the contents of a regular file of at most ``most`` bytes; raises FileError, also on what would block or never end."""
    data = _read(path, most + 1, most)
    if len(data) > most:  # it has grown meanwhile
        raise file_error(path, f"is longer than {most:,} bytes")
    return data


def read_start(path: Path, count: int) -> bytes:
    """Return the first bytes of a regular file, as long as it may be; raises FileError."""
    return _read(path, count, None)


def _read(path: Path, count: int, most: int | None) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise file_error(path, "no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise file_error(path, f"cannot be read: {reason(error)}") from None
    try:
        check_regular(path, os.fstat(handle), most)
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read(count)
    except (OSError, MemoryError) as error:
        raise file_error(path, f"cannot be read: {reason(error)}") from None
    finally:
        os.close(handle)


def check_regular(path: Path, found: os.stat_result, most: int | None = None) -> None:
    """Raise FileError on a folder, a pipe or a device, on an empty file, and on one of more than ``most`` bytes."""
    if stat.S_ISDIR(found.st_mode):
        raise file_error(path, "is a folder, but should be a file")
    if not stat.S_ISREG(found.st_mode):
        raise file_error(path, "is a pipe or a device, but should be a regular file")
    if not found.st_size:
        raise file_error(path, "the file is empty")
    if most is not None and found.st_size > most:
        raise file_error(path, f"is {found.st_size:,} bytes long, but should be at most {most:,}")


def reason(error: BaseException) -> str:
    """Return why the system refuses, in its own words."""
    return (error.strerror if isinstance(error, OSError) else None) or one_line(error) or type(error).__name__


def read_text(path: Path, most: int) -> str:
    """Return a UTF-8 text, with or without a byte order mark; raises FileError."""
    try:
        return read_bytes(path, most).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise file_error(path, f"is not UTF-8: {error}") from None


def read_json(path: Path, most: int, what: str) -> Any:
    """Return a JSON document that is not nested without end; raises FileError, which calls it no ``what``."""
    text = read_text(path, most)
    try:
        return parse_json(text)
    except NotTyped as error:
        raise file_error(path, f"not {what}: {error}") from None


def parse_json(text: str) -> Any:
    """Return a JSON document; raises NotTyped with one line."""
    try:
        data = json.loads(text)
    except RecursionError:
        raise NotTyped("it is nested too deep") from None
    except (ValueError, MemoryError) as error:  # a number of thousands of digits is a ValueError too
        raise NotTyped(_without_advice(error)) from None
    check_depth(data)
    return data


def read_toml(path: Path, most: int = MIB) -> dict[str, Any]:
    """Return a TOML document; raises FileError."""
    text = read_text(path, most)
    try:
        data = tomllib.loads(text)
        check_depth(data)
    except RecursionError:
        raise file_error(path, "is not TOML: it is nested too deep") from None
    except (ValueError, MemoryError) as error:
        raise file_error(path, f"is not TOML: {_without_advice(error)}") from None
    return data


def _without_advice(error: BaseException) -> str:
    """Python's message on a long number, without its advice to a programmer."""
    return one_line(error).partition("; use sys.set_int_max_str_digits")[0]
