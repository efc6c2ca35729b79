"""How to show two numbers that should be equal: with the digits that tell them apart, and which of them is right."""

from dataclasses import dataclass
from math import isnan

from torch import Tensor

UNSEEN = 2.0**-60
"""Of a number: far less than float64 can tell from it."""
FEWEST, MOST = 6, 17
"""Significant digits: as many as are shown, and as many as any float64 has."""


def digits(one: float, other: float) -> int:
    """How many significant digits it takes to see that two numbers differ.

    >>> digits(1.4651612, 1.4651613)
    8
    """
    return next((n for n in range(FEWEST, MOST) if f"{one:.{n}g}" != f"{other:.{n}g}"), MOST)


def number(value: float | bool, shown: int = FEWEST) -> str:
    """Return it with this many significant digits; truth values and whole numbers as they are."""
    return str(value) if isinstance(value, bool | int) else f"{value:.{shown}g}"


def off_by(actual: float, expected: float, allowed: float) -> str:
    """How far off and how far is allowed, which a truth value and a NaN have not."""
    error = abs(actual - expected)
    if isinstance(actual, bool) or isnan(error):
        return ""
    return f"; off by {error:.3g}, allowed {allowed_text(allowed, max(abs(actual), abs(expected)))}"


def allowed_text(allowed: float, size: float) -> str:
    """Return what is allowed beside numbers of a size: 0 where it is far below the spacing of any float64 there.

    >>> allowed_text(2.13e-37, 0.5), allowed_text(1e-7, 0.5), allowed_text(0.0, 0.5)
    ('0', '1e-07', 'none (must be equal)')
    """
    if not allowed:
        return "none (must be equal)"
    return "0" if allowed < UNSEEN * size else f"{allowed:.3g}"


@dataclass(frozen=True)
class Origins:
    """Two results of the subject itself, either of which may be the wrong one: in words, where each is from.

    truth, allowed: what both should be and how far from it one may be, in their shape; None where that is not known
    """

    actual: str
    expected: str
    truth: Tensor | None = None
    allowed: Tensor | None = None

    def right(self, actual: float, expected: float, at: tuple[int, ...]) -> str:
        """What is right at this place and which of the two is; nothing where that is not known."""
        if self.truth is None or self.allowed is None or isinstance(actual, bool):
            return ""
        truth, allowed = float(self.truth[at]), float(self.allowed[at])
        if allowed == float("inf"):
            return ""
        named = ((self.actual, actual), (self.expected, expected))
        found = [words for words, value in named if abs(value - truth) <= allowed]
        which = "both, within rounding" if len(found) == 2 else found[0] if found else "neither"
        return f"; right: {number(truth, digits(actual, expected))} ({which})"
