"""One way to call a module that works, what it shows, and which of two such ways explains more."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rnncheck.reading.adapter.adapted import FLAT
from rnncheck.reading.calls.dependency import Dependency
from rnncheck.reading.calls.results import Path

GOOD = 4.0
"""The score of a reading that nothing contradicts."""


@dataclass(frozen=True)
class Seen:
    """One way to call a module that works, and what it shows."""

    how: Mapping[str, Any]
    depends: Dependency
    features: int
    parts: int
    pair: bool
    carries: float
    directions: int = 1
    needed: bool = False
    plain: bool = False
    unread: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    with_rows: tuple[tuple[Path, int], ...] = ()
    idle: bool = False
    looks_back: bool = False
    alone: bool = False
    ignores: bool = False

    @property
    def recurs(self) -> bool:
        """Whether a step depends on another one, or a state goes in and comes back."""
        return self.depends.memory or bool(self.how["given"] and self.how["states"] is not None)

    @property
    def complete(self) -> bool:
        """Whether no other reading can explain more: it scores as well as any, or no state is left to find."""
        divided = self.depends.two_ways and self.directions == 1
        return self.score >= GOOD + (divided or not self.alone)

    @property
    def left(self) -> tuple[str, ...]:
        """What of a call is not read."""
        return (*self.unread, *self.extras)

    @property
    def score(self) -> float:
        """How well this reading explains the module, its state included; two directions side by side rather than in one."""
        return self.depends.score + self.carries + 0.05 * (self.directions == 2) - 0.3 * self.ignores


def better_of(best: Seen, seen: Seen) -> Seen:
    """Return the reading that explains more, the first of two that are alike, unless one of them says how the other is meant."""
    for one, other in ((best, seen), (seen, best)):
        if _is_meant(one, other):
            return one
    return max(best, seen, key=lambda one: (round(one.score, 6), -len(one.left)))


def _is_meant(one: Seen, other: Seen) -> bool:
    """Whether one is how the module is called, though the other may explain more.

    Calls of one step each have memory and order of themselves, and along an axis of size 1 nothing is mixed. Where their rows
    change one another, or they need such an axis, and the rows of whole sequences do not, the sequences are meant, though their
    state may go astray. A step that needs no axis of its own has none. What takes more rows than its state has takes steps, all of
    them: a last output that the last step does not change is that of an earlier one, since what is beside the steps is shorter.
    """
    merged = one.how.get("input") == FLAT or (one.how.get("merged") and one.needed and one.how.get("input") != "step")
    if merged and other.how.get("beside") and other.how.get("last") and other.depends.own == 0:
        return one.depends.memory
    if other.how.get("input") != "step":
        return False
    if merged:
        return one.depends.memory
    if one.how.get("input") != "step":
        return (other.depends.rows < 1 or other.how.get("step_axis") is not None) and one.depends.rows == 1 and one.depends.memory
    deeper = one.how.get("step_axis") is None and other.how.get("step_axis") is not None
    return deeper and one.depends.own == 1 and not one.depends.in_order and one.carries >= 1
