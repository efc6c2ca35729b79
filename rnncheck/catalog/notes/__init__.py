"""What is said of a property beside its statement: why it matters, what it does not see, and how to fix what breaks it."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Note:
    """Why a property matters (with a public bug, where there is one), what it does not see, and how to fix what breaks it."""

    why: str
    unseen: str
    mend: str


BLANK = Note("", "", "")


@cache
def _family(name: str) -> dict[str, dict[str, str]]:
    """The notes of one family, from the file of its name; what all of its properties share stands under ``family``."""
    file = files(__name__).joinpath(f"{name}.toml")
    return tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def note_on(id: str) -> Note:
    """Return what is said of a property; empty texts where nothing is.

    >>> note_on("time.memory").unseen
    'Layers whose parameters cannot be set so that they remember.'
    """
    told = _family(id.partition(".")[0])
    shared, own = told.get("family", {}), told.get(id, {})
    return Note(**{name: own.get(name, shared.get(name, "")) for name in ("why", "unseen", "mend")})


def noted() -> list[str]:
    """Return the ids of all properties that something is said of."""
    names = sorted(file.name.removesuffix(".toml") for file in files(__name__).iterdir() if file.name.endswith(".toml"))
    return [id for name in names for id in _family(name) if id != "family"]
