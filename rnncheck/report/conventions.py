"""Which conventions are not kept, grouped by what there is to say: a line a reason."""

from collections.abc import Iterable
from dataclasses import dataclass

from rnncheck.core.verdict import Verdict
from rnncheck.report.words import count, some

SHOWN = 5
"""Properties that are named beside a reason."""


@dataclass(frozen=True)
class Warned:
    """What is done otherwise than torch's layers do it, and the properties that show it."""

    reason: str
    properties: tuple[str, ...]

    @property
    def words(self) -> str:
        """The reason and the properties in one line."""
        return f"{self.reason} ({some(self.properties, SHOWN)})"


def warned(verdicts: Iterable[Verdict]) -> list[Warned]:
    """Return a group a reason, in the order of the catalog."""
    groups: dict[str, list[str]] = {}
    for verdict in verdicts:
        if verdict.verdict == "warns":
            groups.setdefault((verdict.reason or verdict.statement).splitlines()[0], []).append(verdict.property)
    return [Warned(reason, tuple(properties)) for reason, properties in groups.items()]


def headline(groups: list[Warned]) -> str:
    """Return how many conventions are not kept, and what that means."""
    many = sum(len(group.properties) for group in groups)
    return f"{count(many, 'convention')} not kept: no failure without --strict"
