"""Small words of every report: counts, lists of names, seconds, and lines that break at words."""

import textwrap
from collections.abc import Sequence


def count(number: int, noun: str) -> str:
    """Return the number with its noun in singular or plural.

    >>> count(1, "case"), count(2, "known property")
    ('1 case', '2 known properties')
    """
    many = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number} {noun if number == 1 else many}"


def verb(number: int, one: str, many: str) -> str:
    """Return the number with a verb that agrees with it.

    >>> verb(1, "holds", "hold"), verb(3, "holds", "hold")
    ('1 holds', '3 hold')
    """
    return f"{number} {one if number == 1 else many}"


def some(names: Sequence[str], most: int = 3) -> str:
    """Return the names, or the first of them and an ellipsis.

    >>> some(["a", "b", "c", "d"])
    'a, b, c, ...'
    """
    return ", ".join([*names[:most], *(["..."] if len(names) > most else [])])


def named(names: Sequence[str], most: int) -> str:
    """Return as many names as fit into ``most`` characters, and how many more there are."""
    kept: list[str] = []
    for name in names:
        if kept and sum(map(len, kept)) + 2 * len(kept) + len(name) > most:
            break
        kept.append(name)
    more = len(names) - len(kept)
    return ", ".join(kept) + (f" and {more} more" if more else "")


def seconds_text(seconds: float) -> str:
    """Return wall time as a person says it.

    >>> seconds_text(0.42), seconds_text(12.4), seconds_text(75)
    ('0.4 s', '12 s', '1m15s')
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60}m{whole % 60:02}s"


def wrapped(text: str, width: int, first: str = "", then: str | None = None) -> list[str]:
    """Return lines that break at words only, the first and the following ones with something before them."""
    then = " " * len(first) if then is None else then
    options = {"break_long_words": False, "break_on_hyphens": False}
    return textwrap.wrap(text, max(width, 40), initial_indent=first, subsequent_indent=then, **options) or [first.rstrip()]  # type: ignore[arg-type]
