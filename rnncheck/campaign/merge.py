"""From the shards of a run to its report: the campaign again, with an engine that knows what came of every check.

Nothing is imported that the files name, and nothing is run: the plan follows from the claims, which stand in the files.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rnncheck.campaign import store
from rnncheck.campaign.campaign import Campaign
from rnncheck.campaign.options import known
from rnncheck.campaign.settings import Settings
from rnncheck.campaign.shard import Part, Smallest, SubjectPart, all_there, infinite
from rnncheck.catalog import CATALOG
from rnncheck.core.plain_text import one_line
from rnncheck.core.schema import SCHEMA
from rnncheck.core.typed import NotTyped, typed_part
from rnncheck.core.verdict import Outcome
from rnncheck.engine.jobs import Done, Job
from rnncheck.errors import UsageError
from rnncheck.files.reading import MIB, FileError, read_json
from rnncheck.judging.shrink import Shrunk
from rnncheck.report.report import Report

LONGEST = 1024 * MIB
UNHURRIED = 1e6
"""Seconds: a merge ends when everything is entered."""


@dataclass(frozen=True)
class ShardReport:
    """What a merge reads of the JSON report of a shard."""

    environment: dict[str, Any]
    seed: int
    stopped: str | None
    missing: tuple[str, ...]
    shard: Part | None = None
    schema: int = SCHEMA


def merge(files: Sequence[Path], folder: Path | None = None) -> Report:
    """Return the report of the run that these shards are the parts of.

    folder: where failing cases are kept, for ``rnncheck replay``; None keeps none

    Raises UsageError where a file cannot be read, is no shard, or where they are not all parts of one run.
    """
    reports = [_read(file) for file in files]
    parts = _parts_of_one_run(reports, files)
    first = parts[0]
    settings = Settings(
        tuple(CATALOG[id] for id in first.properties), first.profile, reports[0].seed, UNHURRIED, first.dtypes,
        tuple(known(first.deviations)), folder, environment=_environment(reports),
        missing=tuple(dict.fromkeys(name for report in reports for name in report.missing)), strict=first.strict,
    )  # fmt: skip
    campaign = Campaign([(subject.subject(), subject.device) for subject in first.subjects], settings)
    report = campaign.run(Recorded(campaign, parts))
    stopped = next((told.stopped for told in reports if told.stopped), report.stopped)
    subjects = tuple(
        replace(subject, reading=told[0].reading, seconds=sum(one.seconds for one in told), left=sum(one.left for one in told))
        for subject, told in zip(report.subjects, zip(*(part.subjects for part in parts), strict=True), strict=True)
    )
    return replace(report, subjects=subjects, stopped=stopped, seconds=0.0)


def _read(file: Path) -> ShardReport:
    try:
        told = typed_part(read_json(file, LONGEST, "a JSON report"), ShardReport)
    except FileError as error:
        raise UsageError(str(error)) from None
    except NotTyped as error:
        raise UsageError(f"{one_line(file)} is not the JSON report of a shard: {error}") from None
    if told.schema > SCHEMA:
        raise UsageError(f"{one_line(file)}: schema = {told.schema}, but should be {SCHEMA}: a newer rnncheck has written it")
    if told.shard is None:
        raise UsageError(f"{one_line(file)} is the report of a whole run; make shards with: rnncheck verify --shard 1/5 --json F")
    return told


def _parts_of_one_run(reports: Sequence[ShardReport], files: Sequence[Path]) -> list[Part]:
    """Return the parts in order; raises UsageError where one is missing, comes twice, or is of another run."""
    parts = [report.shard for report in reports if report.shard is not None]
    for report, file in zip(reports, files, strict=True):
        if _run(report) != _run(reports[0]):
            differing = next(name for name, value in _run(report).items() if value != _run(reports[0])[name])
            raise UsageError(f"{one_line(file)} and {one_line(files[0])} are not of one run: they differ in {differing}")
    all_there([part.index for part in parts], parts[0].of)
    unknown = [id for id in parts[0].properties if id not in CATALOG]
    if unknown:
        raise UsageError(f"no property {one_line(unknown[0])}: another rnncheck has made these shards")
    return sorted(parts, key=lambda part: part.index)


def _run(report: ShardReport) -> dict[str, Any]:
    """What all shards of one run have in common."""
    part = report.shard
    assert part is not None
    told: dict[str, Any] = {
        "seed": report.seed, "number of shards": part.of, "profile": part.profile, "properties": part.properties,
        "dtypes": part.dtypes, "deviations": part.deviations,
    }  # fmt: skip
    for name in ("name", "kind", "device", "modes", "fixed", "nature", "against"):
        told[f"target: {name}"] = [getattr(subject, name) for subject in part.subjects]
    offered = [{name: claim.offered for name, claim in subject.claims.items()} for subject in part.subjects]
    return {**told, "what the target offers (another machine?)": offered}


def _environment(reports: Sequence[ShardReport]) -> dict[str, Any]:
    """Return where the first shard ran, and the others where they differ."""
    others = [report.environment for report in reports if report.environment != reports[0].environment]
    return {**reports[0].environment, **({"other shards": others} if others else {})}


class Recorded:
    """An engine that does nothing: it knows what came of each check, by subject, case and property."""

    note: str | None = None

    def __init__(self, campaign: Campaign, parts: Sequence[Part]) -> None:
        self.outcomes: dict[tuple[int, Any, str], Outcome] = {}
        self.smallest: dict[tuple[int, Any, str], Smallest] = {}
        self.kinds = [run.subject.kind for run in campaign.subject_runs]
        for run in campaign.subject_runs:
            planned = list(run.cases())
            for part in parts:
                self._enter(run.index, planned, part.subjects[run.index])

    def _enter(self, index: int, planned: Sequence[Any], told: SubjectPart) -> None:
        for check in told.checks:
            case = self._case(index, check.case) if check.case is not None else _at(planned, check.place)
            self.outcomes.setdefault((index, case, check.outcome.property), infinite(check.outcome))
        for one in told.smallest:
            self.smallest[index, self._case(index, one.begin), one.property] = one

    def _case(self, index: int, data: Mapping[str, Any]) -> Any:
        try:
            return store.case_from_json(self.kinds[index], data)
        except ValueError as error:
            raise UsageError(f"a shard has a case that cannot be read: {one_line(error)}") from None

    def run(self, jobs: Iterable[Job]) -> Iterator[Done]:
        """Yield what came of each job, as far as a shard had time for it."""
        for job in jobs:
            yield self._judged(job) if job.kind == "judge" else self._shrunk(job)

    def _judged(self, job: Job) -> Done:
        found = (
            (place, self.outcomes.get((job.subject, case, name)))
            for place, (case, names) in enumerate(zip(job.cases, job.properties, strict=True)) for name in names
        )  # fmt: skip
        return Done(job, tuple((place, outcome) for place, outcome in found if outcome is not None))

    def _shrunk(self, job: Job) -> Done:
        told = self.smallest.get((job.subject, job.cases[0], job.properties[0][0]))
        if told is None:
            return Done(job)
        outcomes = () if told.outcome is None else ((0, infinite(told.outcome)),)
        if told.case is None:
            return Done(job, outcomes, explanation=told.explanation)
        shrunk = Shrunk(self._case(job.subject, told.case), told.attempts, told.irrelevant, told.needs)
        return Done(job, outcomes, shrunk=shrunk, explanation=told.explanation)

    def close(self) -> None:
        """Leave nothing behind: there is nothing."""


def _at(planned: Sequence[Any], place: int) -> Any:
    if not 0 <= place < len(planned):
        raise UsageError(f"a shard has a check at place {place} of {len(planned)} planned cases: another rnncheck has made it")
    return planned[place]
