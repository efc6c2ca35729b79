"""Axes that are one letter from the axis of time: a slip that would make a sequence something that is the same for all steps."""

from collections.abc import Iterable
from itertools import pairwise

from rnncheck.errors import UsageError
from rnncheck.reading.typed.roles import Argument

SHORTEST = 4
"""Letters that a name has at least, of which one may be wrong."""


def check_spelling(function: str, arguments: Iterable[Argument], time: str, batch: str | None) -> None:
    """Raise UsageError where an argument with the axis of the batch has none of time, and one that is spelled almost so."""
    for one in arguments:
        for leaf in one.tensors:
            looked_at = time not in leaf.axes and (batch is None or batch in leaf.axes)
            slip = next((axis for axis in leaf.axes if looked_at and is_slip(axis, time)), None)
            if slip is not None:
                raise UsageError(
                    f"{function}: {one.name} has the axis {slip}, and others have {time}; did you mean {time}? Call it so, or "
                    "give it a name less like that"
                )


def is_slip(one: str, other: str) -> bool:
    """Return whether one name is the other with a letter wrong, missing, too much, or two exchanged; digits tell axes apart.

    >>> [is_slip(name, "time") for name in ("tiem", "tme", "timee", "tine", "time", "time2", "tile2", "times2")]
    [True, True, True, True, False, False, False, False]
    """
    one, other = one.lower(), other.lower()
    if one == other or min(len(one) + 1, len(other)) < SHORTEST or abs(len(one) - len(other)) > 1 or not (one + other).isalpha():
        return False
    short, long = sorted((one, other), key=len)
    if len(short) < len(long):
        return any(long[:place] + long[place + 1 :] == short for place in range(len(long)))
    wrong = [place for place, letters in enumerate(zip(one, other, strict=True)) if len({*letters}) > 1]
    exchanged = len(wrong) == 2 and list(pairwise(wrong)) == [(wrong[0], wrong[0] + 1)] and one[wrong[0]] == other[wrong[1]]
    return len(wrong) == 1 or (exchanged and one[wrong[1]] == other[wrong[0]])
