"""What is said of a property beside its statement: what is wrong where it fails, why it matters, and how to fix what breaks it."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Note:
    """Why a property matters (with a public bug, where there is one), what it does not see, and how to fix what breaks it.

    headline: what is wrong where the property does not hold, in a few words; empty where its id alone is said
    """

    why: str
    unseen: str
    mend: str
    headline: str = ""


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
    return Note(
        **{name: own.get(name, shared.get(name, "")) for name in ("why", "unseen", "mend")}, headline=own.get("headline", "")
    )


def headline_of(id: str) -> str:
    """Return what is wrong where this property does not hold.

    >>> headline_of("time.split"), headline_of("mine.own")
    ('a sequence in two calls gives other results than in one (time.split)', 'mine.own does not hold')
    """
    told = note_on(id).headline
    return f"{told} ({id})" if told else f"{id} does not hold"


def noted() -> list[str]:
    """Return the ids of all properties that something is said of."""
    names = sorted(file.name.removesuffix(".toml") for file in files(__name__).iterdir() if file.name.endswith(".toml"))
    return [id for name in names for id in _family(name) if id != "family"]
