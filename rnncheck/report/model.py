"""The report: every verdict on every subject, what was looked at, and where."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from rnncheck.core.case import Case
from rnncheck.core.schema import SCHEMA
from rnncheck.core.subject import Claim
from rnncheck.core.verdict import CHECKED, NO_CASE, OPEN, TIME_UP, Verdict
from rnncheck.report.causes import Cause, causes
from rnncheck.report.words import count

FIRST_LOOKS = ("quick", "smoke")
"""Profiles of seconds, which end when their time is up: what they did not reach is said, and leaves nothing incomplete."""
Choice = tuple[str, Any]
"""A structural axis and one of its values."""


class Failed(AssertionError):
    """Raised where a claim does not hold; the message is the report's text on it, and ``report`` all of it, if there is one."""

    report: "Results | None" = None


@dataclass(frozen=True)
class Coverage:
    """How many of the promised combinations of ``strength`` structural axes were run and judged.

    pairs: the same for every two choices (axis, value): of the combinations with both, how many are (covered, promised)
    """

    strength: int
    combinations: int
    covered: int
    pairs: Mapping[tuple[Choice, Choice], tuple[int, int]] = field(default_factory=dict)

    def to_json(self) -> dict[str, int]:
        """The totals; the map of pairs is drawn on the HTML page."""
        return {"strength": self.strength, "combinations": self.combinations, "covered": self.covered}


@dataclass(frozen=True)
class SubjectReport:
    """All verdicts on one subject, in the order of the catalog.

    shown: some of the cases, whose gates are drawn on the HTML page
    left:  planned cases that there was no time for
    reading: how the subject was understood, in words; None where nothing is said of it
    command: what follows ``rnncheck verify`` to check it as it was checked here; None where no name leads to it
    not_looked_at: what no verdict speaks of, in words
    not_compared: why the agreement with a reference was not checked though it was asked for
    """

    name: str
    claims: dict[str, Claim]
    seconds: float
    cases: int
    coverage: Coverage
    verdicts: tuple[Verdict, ...]
    shown: tuple[Case, ...] = ()
    left: int = 0
    reading: str | None = None
    command: str | None = None
    not_looked_at: tuple[str, ...] = ()
    not_compared: str | None = None

    @property
    def extent(self) -> str:
        """Return how much was looked at, in words."""
        left = f" ({self.left} more were planned: there was no time for them)" if self.left else ""
        return f"{count(self.cases, 'case')}{left}"

    @cached_property
    def causes(self) -> tuple[Cause, ...]:
        """Return the red verdicts, those of one cause together."""
        return causes(self.verdicts)

    def count(self) -> Counter[str]:
        """How many verdicts there are of each kind."""
        return Counter(verdict.verdict for verdict in self.verdicts)

    def to_json(self) -> dict[str, Any]:
        """Return every key of the JSON report on one subject."""
        return {
            "name": self.name,
            "reading": self.reading,
            "claims": {feature: asdict(claim) for feature, claim in self.claims.items()},
            "seconds": round(self.seconds, 3),
            "cases": self.cases,
            "coverage": self.coverage.to_json(),
            "causes": [cause.to_json() for cause in self.causes],
            "verdicts": [verdict.to_json() for verdict in self.verdicts],
        }


def _late(verdict: Verdict) -> bool:
    return any(words in (verdict.reason or "") for words in (NO_CASE, TIME_UP))


def _mostly_late(subject: SubjectReport) -> bool:
    """Return whether less than a quarter was checked of what there was, for lack of time, as on a machine that stalls."""
    late = sum(verdict.verdict in OPEN and _late(verdict) for verdict in subject.verdicts)
    return late > 3 * sum(verdict.verdict in CHECKED for verdict in subject.verdicts)


HOLDS_NOW = ": the stored case holds now"
"""How the line about a stored failing case ends that passes now."""


@dataclass(frozen=True)
class Results:
    """The results of a run; ``rnncheck.verify`` returns them as a Report, which can be printed.

    missing:  required devices that were not there
    stopped:  why the campaign ended early (Ctrl-C, the budget, a full disk), None if it did not
    stale:    declared deviations that no longer occur, are past their date, or match nothing
    mended:   lines about stored failing cases; the line of one that passes now ends with HOLDS_NOW
    seconds:  wall time of all; 0 where it was not measured
    shard:    where this is one of several parts of a run, all that ``rnncheck merge`` has to know of it
    """

    environment: dict[str, Any]
    seed: int
    profile: str
    subjects: tuple[SubjectReport, ...]
    stopped: str | None = None
    missing: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    mended: tuple[str, ...] = field(default_factory=tuple)
    seconds: float = 0.0
    shard: Mapping[str, Any] | None = None

    def verdicts(self) -> Iterator[tuple[SubjectReport, Verdict]]:
        """Yield every verdict with its subject."""
        for subject in self.subjects:
            for verdict in subject.verdicts:
                yield subject, verdict

    @property
    def failures(self) -> list[tuple[SubjectReport, Verdict]]:
        """Every red verdict with its subject."""
        return [(subject, verdict) for subject, verdict in self.verdicts() if verdict.red]

    @property
    def checked(self) -> bool:
        """Whether any property was checked: none is where none applies, is claimed, or could be reached."""
        return any(verdict.verdict in CHECKED for _, verdict in self.verdicts())

    @property
    def exit_code(self) -> int:
        """0 all that is claimed holds, 1 something fails, crashed or hung, 3 incomplete.

        A property that only another machine could reach (with an accelerator or an optional package) makes no run incomplete
        unless it was asked for, or nothing else was. Neither does one that a first look (quick, smoke) had no time for, as long
        as a quarter of each subject was checked.
        """
        if self.failures or self.stale:
            return 1
        if self.shard is not None:  # what it does not reach is for the others
            return 3 if self.stopped or self.missing else 0
        if not self.checked:
            return 3
        unfinished = any(self._leaves_open(verdict) for _, verdict in self.verdicts()) or self.saw_little
        return 3 if self.stopped or self.missing or unfinished else 0

    @property
    def saw_little(self) -> bool:
        """Whether this is a first look that had no time for the better part of a subject."""
        return self.profile in FIRST_LOOKS and any(map(_mostly_late, self.subjects))

    def _leaves_open(self, verdict: Verdict) -> bool:
        late = self.profile in FIRST_LOOKS and _late(verdict)
        return verdict.verdict in OPEN and not verdict.elsewhere and not late

    def __repr__(self) -> str:
        names = ", ".join(subject.name for subject in self.subjects)
        return f"<Report on {names}: exit code {self.exit_code}, {count(len(self.failures), 'failure')}>"

    def raise_if_failed(self) -> None:
        """Raise Failed, with a text for each cause, unless everything that is claimed holds."""
        if self.failures or self.stale:
            from rnncheck.report.text import failure_text

            told = [failure_text(subject.name, cause.lead, cause.also) for subject in self.subjects for cause in subject.causes]
            failed = Failed("\n\n".join([*told, *self.stale]))
            failed.report = self
            raise failed

    def to_json(self) -> dict[str, Any]:
        """Return the JSON report; except for times (seconds), it is the same for the same seed."""
        return {
            "schema": SCHEMA,
            "environment": self.environment,
            "seed": self.seed,
            "profile": self.profile,
            "stopped": self.stopped,
            "missing": list(self.missing),
            "stale_deviations": list(self.stale),
            "mended": list(self.mended),
            "shard": self.shard,
            "subjects": [subject.to_json() for subject in self.subjects],
        }
