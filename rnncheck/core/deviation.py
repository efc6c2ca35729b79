"""A rule that a subject is known to break: declared beforehand, with a reason and a stored case that is replayed."""

import datetime
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from rnncheck.core.case import Case
from rnncheck.core.clip_case import ClipCase
from rnncheck.core.config import Config
from rnncheck.core.pair_case import PairCase
from rnncheck.core.plain_text import one_line, quoted
from rnncheck.core.step_case import StepCase

FIELDS = sorted({field.name for noun in (Case, Config, ClipCase, StepCase, PairCase) for field in fields(noun)})
"""What ``where`` may speak of."""


class DeviationError(ValueError):
    """A deviation that cannot be: the message says what was expected and what came."""


@dataclass(frozen=True)
class Deviation:
    """``property`` does not hold on cases that match ``where``, because of ``reason``.

    Attributes:
        where: field -> a value, a list of values, {"below": x, "above": y}, or {"without": x} for a field that is a list; fields
            of Case or Config. The device "cuda" is any of them. Empty: every case
        case: the stored failing case as JSON, replayed first; a deviation that no longer occurs there is an error
        expires: the day after which it is no longer accepted
        subject: the name of the subject that breaks it; None: any
        sure: whether it is an error if it does not occur; False where it was seen with another version than the one that is here
    """

    property: str
    reason: str
    where: Mapping[str, Any] | None = None
    issue: str | None = None
    expires: datetime.date | None = None
    case: Mapping[str, Any] | None = None
    subject: str | None = None
    sure: bool = True

    def __post_init__(self) -> None:
        said = f"the deviation from {one_line(self.property)}"
        if not self.reason.strip():
            raise DeviationError(f"{said} has no reason: say why it is accepted")
        if self.expires is not None and type(self.expires) is not datetime.date:
            raise DeviationError(f"{said}: expires = {quoted(self.expires)}, but should be a datetime.date")
        for name, wanted in (self.where or {}).items():
            if name not in FIELDS:
                close = difflib.get_close_matches(name[:80], FIELDS, n=1, cutoff=0.5)
                hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(FIELDS)}"
                raise DeviationError(f"{said}: where: unknown key {quoted(name)}; {hint}")
            if isinstance(wanted, Mapping) and not _can_match(wanted):
                words = "but should be {below = 3}, {above = 3}, both, or {without = X}"
                raise DeviationError(f"{said}: where: {name} = {quoted(dict(wanted))}, {words}")

    def concerns(self, device: str) -> bool:
        """Return whether it may cover cases on this device: one for CUDA alone is not stale after a run on the CPU."""
        wanted = (self.where or {}).get("device")
        return wanted is None or _matches(device, wanted)

    def covers(self, case: Any) -> bool:
        """Return whether this deviation covers the case."""
        data = {"dtype": getattr(case, "dtype", None), **_flat(case.to_json())}
        return all(name in data and _matches(data[name], wanted) for name, wanted in (self.where or {}).items())

    def expired(self, today: datetime.date) -> bool:
        """Return whether its last day is past."""
        return self.expires is not None and today > self.expires

    def __str__(self) -> str:
        return self.reason + (f" ({self.issue})" if self.issue else "")


def _flat(data: Mapping[str, Any]) -> dict[str, Any]:
    return {**data, **data.get("config", {})}


def _can_match(wanted: Mapping[str, Any]) -> bool:
    numbers = bool(wanted) and all(type(end) in (int, float) for end in wanted.values())
    return set(wanted) == {"without"} or (set(wanted) <= {"below", "above"} and numbers)


def _matches(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        if isinstance(value, list):
            return "without" in wanted and wanted["without"] not in value
        if type(value) not in (int, float) or "without" in wanted:
            return False
        return value < wanted.get("below", float("inf")) and value > wanted.get("above", float("-inf"))
    if isinstance(wanted, list | tuple) and not isinstance(value, list | tuple):
        return any(_matches(value, one) for one in wanted)
    return bool(value == wanted) or isinstance(value, str) and value.partition(":")[0] == wanted


def declare(given: Mapping[str, str] | Sequence[Deviation] | None) -> list[Deviation]:
    """``{"gradient.second": "reason"}`` or a list of Deviation, as a list."""
    if given is None:
        return []
    if isinstance(given, Mapping):
        return [Deviation(property, reason) for property, reason in given.items()]
    return list(given)
