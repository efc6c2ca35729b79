"""Writing a file so that a reader finds the old one or the new one, never half of it."""

import errno
import os
import secrets
from pathlib import Path

ENDLESS = ("/dev/", "/proc/")
"""Places whose names are not files of a folder: they are written to as they are."""


def write_whole(path: Path, content: str | bytes) -> Path:
    """Write a file, through a temporary one beside it and a rename; raises OSError, and leaves what was there, where it cannot.

    A symbolic link stays one; a pipe or a device is written to as it is. Text is UTF-8; what that cannot say (a lone
    surrogate) is written as its escape.
    """
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    place = Path(os.path.realpath(path))
    if str(path.absolute()).startswith(ENDLESS) or (place.exists() and not place.is_file()):
        path.write_bytes(data)
        return path
    _replace(place, data)
    return path


def _replace(place: Path, data: bytes) -> None:
    if place.exists() and not os.access(place, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))
    beside = place.with_name(f".rnncheck-{os.getpid()}-{secrets.token_hex(4)}.tmp")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
        try:
            file.write(data)
            file.close()
            if place.exists():
                beside.chmod(place.stat().st_mode & 0o777)
            beside.replace(place)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
