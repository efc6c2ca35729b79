"""A rule that a subject is known to break: declared beforehand, with a reason and a stored case that is replayed."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class DeviationError(ValueError):
    """A deviation that cannot be: the message says what was expected and what came."""


@dataclass(frozen=True)
class Deviation:
    """``property`` does not hold on cases that match ``where``, because of ``reason``.

    where: field -> a value, a list of values, {"below": x, "above": y}, or {"without": x} for a field that is a list; fields
           of Case or Config. The device "cuda" is any of them. Empty: every case
    case:  the stored failing case as JSON, replayed first; a deviation that no longer occurs there is an error
    expires: the day after which it is no longer accepted
    """

    property: str
    reason: str
    where: Mapping[str, Any] | None = None
    issue: str | None = None
    expires: datetime.date | None = None
    case: Mapping[str, Any] | None = None
    subject: str | None = None

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise DeviationError(f"the deviation from {self.property} has no reason: say why it is accepted")

    def covers(self, case: Any) -> bool:
        """Whether this deviation speaks of the case."""
        data = _flat(case.to_json())
        return all(name in data and _matches(data[name], wanted) for name, wanted in (self.where or {}).items())

    def expired(self, today: datetime.date) -> bool:
        """Whether its day is past."""
        return self.expires is not None and today > self.expires

    def __str__(self) -> str:
        return self.reason + (f" ({self.issue})" if self.issue else "")


def _flat(data: Mapping[str, Any]) -> dict[str, Any]:
    return {**data, **data.get("config", {})}


def _matches(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        if isinstance(value, list):
            return "without" in wanted and wanted["without"] not in value
        if value is None:
            return False
        return value < wanted.get("below", float("inf")) and value > wanted.get("above", float("-inf"))
    if isinstance(wanted, list | tuple) and not isinstance(value, list | tuple):
        return value in wanted
    return bool(value == wanted) or isinstance(value, str) and value.partition(":")[0] == wanted


def declare(given: Mapping[str, str] | Sequence[Deviation] | None) -> list[Deviation]:
    """``{"gradient.second": "reason"}`` or a list of Deviation, as a list."""
    if given is None:
        return []
    if isinstance(given, Mapping):
        return [Deviation(property, reason) for property, reason in given.items()]
    return list(given)
