"""Every whole number that a person gives, and its bounds."""

from collections.abc import Mapping

from rnncheck.core.plain_text import quoted
from rnncheck.errors import UsageError

WHOLE: Mapping[str, tuple[int, int]] = {
    "seed": (0, 2**32 - 1), "max_examples": (1, 10_000_000), "strength": (2, 4), "jobs": (1, 1024), "case": (0, 2**31 - 1),
}  # fmt: skip
"""Every whole number that a person gives: the least and the most."""


def whole(option: str, value: object) -> int:
    """The value of an option that is a whole number within its bounds; raises UsageError.

    >>> whole("strength", 3)
    3
    """
    least, most = WHOLE[option]
    if type(value) is not int or not least <= value <= most:
        raise UsageError(f"{option} = {quoted(value)}, but should be a whole number from {least} to {most}")
    return value
