"""One campaign for all pytest items of one subject: they share its cases, runs, truths and probes.

The campaign runs when the first of its items asks for a report, over the properties of the selected items and no others.
pytest-xdist's workers divide it: whichever worker needs a part that nobody has run yet runs it and leaves the report for all.
"""

import hashlib
import pickle
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rnncheck.campaign.options import profile_of, seconds
from rnncheck.campaign.verify import verify
from rnncheck.catalog import CATALOG
from rnncheck.core.deviation import declare
from rnncheck.errors import UsageError
from rnncheck.report.report import Report

try:
    import fcntl
except ImportError:  # no file locks, as on Windows: the workers of pytest-xdist share nothing there
    fcntl = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Question:
    """A property to check on a target; ``options`` are those of rnncheck.verify, with the budget of one property."""

    target: Any
    property: str
    options: Mapping[str, Any]

    def alike(self, other: "Question") -> bool:
        """Return whether both can be answered by one campaign."""
        same = self.target is other.target or (isinstance(self.target, str) and self.target == other.target)
        return same and self.options == other.options


@dataclass
class Campaigns:
    """The reports of one pytest session, each made when it is first asked for.

    selected: what the items of this session will ask, in their order
    workers:  the number of pytest-xdist workers, which divide each campaign
    folder:   where these workers leave reports for each other; None where there are none, or this system has no file locks
    """

    selected: Sequence[Question]
    workers: int = 1
    folder: Path | None = None
    reports: dict[tuple[int, int], Report | UsageError] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder = self.folder if fcntl else None

    def report(self, question: Question) -> Report:
        """Return the report on this question alone; raises UsageError if the target or an option cannot be used."""
        first, ids = self._shared_with(question)
        parts = _parts(ids, self.workers)
        wanted = next(number for number, part in enumerate(parts) if question.property in part)
        for number in (wanted, *(set(range(len(parts))) - {wanted} if self.folder else ())):
            if (first, wanted) not in self.reports:
                self._run(question, first, number, parts[number], wait=False)
        if (first, wanted) not in self.reports:  # another worker is at it
            self._run(question, first, wanted, parts[wanted], wait=True)
        found = self.reports[first, wanted]
        if isinstance(found, UsageError):
            raise UsageError(str(found))
        if found.stopped == "interrupted":
            raise KeyboardInterrupt
        return only(question.property, found)

    def _shared_with(self, question: Question) -> tuple[int, list[str]]:
        """Return the place of the first item that shares a campaign with this one, and the properties of all that do."""
        sharing = [(place, other.property) for place, other in enumerate(self.selected) if question.alike(other)]
        ids = dict.fromkeys(id for _, id in sharing)
        return (sharing[0][0], list(ids)) if question.property in ids else (-1, [question.property])

    def _run(self, question: Question, first: int, number: int, ids: Sequence[str], *, wait: bool) -> None:
        """Run one part of a campaign, or read what another worker left; neither if another is running it and wait is off."""
        if self.folder is None:
            self.reports[first, number] = answer(question, ids)
            return
        left = self.folder / f"rnncheck-{_key(first, ids)}.report"
        with _alone(left.with_suffix(".lock"), wait) as alone:
            if alone and not left.exists():
                made = left.with_suffix(".part")
                made.write_bytes(pickle.dumps(answer(question, ids)))
                made.replace(left)
        if left.exists():
            self.reports[first, number] = pickle.loads(left.read_bytes())


def answer(question: Question, ids: Sequence[str]) -> Report | UsageError:
    """Check these properties in one campaign, in as much time as they would have one by one."""
    options = dict(question.options)
    budget = options.get("budget")
    try:
        each = profile_of(options.get("profile", "ci")).seconds if budget is None else seconds(budget)
        declared = [deviation for deviation in declare(options.get("deviations")) if deviation.property in ids]
        told = {**options, "budget": each * len(ids), "deviations": declared}
        return verify(question.target, properties=",".join(ids), **told)
    except UsageError as error:
        return error


def only(property: str, report: Report) -> Report:
    """Return what a report says of one property."""
    about_others = tuple(f"{id} on " for id in CATALOG if id != property)
    subjects = (
        replace(subject, verdicts=tuple(verdict for verdict in subject.verdicts if verdict.property == property))
        for subject in report.subjects
    )
    stale, mended = (tuple(line for line in lines if not line.startswith(about_others)) for lines in (report.stale, report.mended))
    return replace(report, subjects=tuple(subjects), stale=stale, mended=mended)


def _parts(ids: Sequence[str], workers: int) -> list[list[str]]:
    """Divide the properties among the workers, the costly ones evenly."""
    by_cost = sorted(ids, key=lambda id: CATALOG[id].cost)
    return [by_cost[start::workers] for start in range(min(workers, len(ids)))]


def _key(first: int, ids: Sequence[str]) -> str:
    """Name a part of a campaign: the same in every worker that collected the same items with the same Python."""
    return hashlib.sha256(repr((sys.executable, first, *ids)).encode()).hexdigest()[:24]


@contextmanager
def _alone(file: Path, wait: bool) -> Iterator[bool]:
    """Hold the lock of that file, and say whether it could be had; it is released even if this process is killed."""
    with file.open("w") as held:
        got = False
        with suppress(BlockingIOError):
            fcntl.flock(held, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            got = True
        yield got
