"""``rnncheck gate``: what a project has promised in its configuration, checked; made for continuous integration."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnncheck.core.plain_text import one_line, plain, quoted
from rnncheck.core.schema import SCHEMA
from rnncheck.core.typed import NotTyped, typed_part
from rnncheck.errors import UsageError
from rnncheck.faces.report_files import report_options, take_files, write_reports
from rnncheck.files.reading import MIB, FileError, read_json
from rnncheck.system.collector import uncollected

if TYPE_CHECKING:
    from rnncheck.core.deviation import Deviation
    from rnncheck.faces.config_file import GateConfig
    from rnncheck.report.report import Report

FOLDER = Path(".rnncheck")
"""Where failing cases are kept, as rnncheck.campaign.store says."""

NEVER_JUDGED = ("not_applicable", "not_claimed")


LONGEST_REPORT = 256 * MIB


@dataclass(frozen=True)
class VerdictInFile:
    """What the gate reads of a verdict in a JSON report."""

    property: str
    verdict: str


@dataclass(frozen=True)
class SubjectInFile:
    """What the gate reads of a subject in a JSON report."""

    name: str
    verdicts: tuple[VerdictInFile, ...]


@dataclass(frozen=True)
class ReportFile:
    """What the gate reads of a JSON report."""

    subjects: tuple[SubjectInFile, ...]
    schema: int = SCHEMA


@dataclass(frozen=True)
class GateResult:
    """The report, and what the gate asks beyond it.

    lost:  what held in the baseline and does not any more, without being red
    short: subjects whose coverage is below the required share
    """

    report: "Report"
    lost: tuple[str, ...] = ()
    short: tuple[str, ...] = ()

    @property
    def complaints(self) -> tuple[str, ...]:
        """A line for each."""
        return (*self.lost, *self.short)

    @property
    def exit_code(self) -> int:
        """0 passed, 1 something fails or has been lost, 3 incomplete."""
        if self.report.exit_code == 1 or self.lost:
            return 1
        return 3 if self.short else self.report.exit_code


def gate(config: "GateConfig", folder: Path | None = FOLDER, shard: str | None = None) -> GateResult:
    """Check all that the configuration promises; raises UsageError where it cannot be used.

    folder: where failing cases are kept and replayed from; None keeps none
    shard:  "2/5" for the second of five parts of the cases; what is asked of the whole is for ``rnncheck merge --config`` then
    """
    if not config.targets:
        raise UsageError('targets = [], but the gate needs at least one, e.g. targets = ["mine.py:MyLSTM"]')
    with uncollected():
        from rnncheck.backend.devices import asked_for
        from rnncheck.campaign.verify import verify

    devices = asked_for(",".join(config.devices))
    report = verify(
        list(config.targets),
        against=config.against,
        kind=config.kind,
        typed=config.typed,
        time=config.time,
        properties=",".join(config.properties),
        properties_from=config.properties_from,
        profile=config.profile,
        budget=config.budget,
        max_examples=config.max_examples,
        strength=config.strength,
        seed=config.seed,
        jobs=config.jobs,
        engine=config.engine,
        device=",".join(devices),
        require=config.require,
        dtypes=config.dtypes,
        deviations=config.deviations,
        strict=config.strict,
        read=config.read,
        folder=folder,
        repro=config.repro,
        shard=shard,
    )
    return GateResult(report) if shard else of_the_whole(config, report)


def of_the_whole(config: "GateConfig", report: "Report") -> GateResult:
    """Hold a report of all cases to what the configuration asks of it: the baseline, the coverage, deviations that match."""
    from rnncheck.backend.devices import asked_for

    held = _baseline(config.baseline)
    devices = asked_for(",".join(config.devices))
    report = replace(report, stale=(*report.stale, *_unmatched(config.deviations, devices, report)))
    return GateResult(report, tuple(_lost(held, report)), tuple(_short(config.coverage, report)))


def _unmatched(deviations: "Sequence[Deviation]", devices: Sequence[str], report: "Report") -> list[str]:
    """Deviations that match nothing: of a subject that is none of the targets, or of what is judged on none of them."""
    names = {subject.name.partition(" on ")[0] for subject in report.subjects}
    judged = {
        (name, verdict.property) for subject, verdict in report.verdicts()
        for name in (None, subject.name.partition(" on ")[0]) if verdict.verdict not in NEVER_JUDGED
    }  # fmt: skip
    lines = []
    for d in deviations:
        if d.subject is not None and d.subject not in names:
            lines.append(f"{d.property}: the declared deviation of {d.subject} matches none of {', '.join(sorted(names))}")
        elif (d.subject, d.property) not in judged and any(map(d.concerns, devices)):
            lines.append(f"{d.property}: the declared deviation matches nothing: the property is judged on no target ({d})")
    return lines


def _short(share: float, report: "Report") -> list[str]:
    return [
        f"{subject.name}: {covered.covered} of {covered.combinations} combinations were judged, "
        f"but coverage = {share} asks for {share:.0%}"
        for subject in report.subjects
        if (covered := subject.coverage).covered < share * covered.combinations
    ]


def _baseline(file: Path | None) -> set[tuple[str, str]]:
    """(subject, property) of all that held in a JSON report."""
    if file is None:
        return set()
    try:
        told = typed_part(read_json(file, LONGEST_REPORT, "a JSON report"), ReportFile)
    except FileError as error:
        raise UsageError(f"baseline: {error}; write one with --json F") from None
    except NotTyped as error:
        raise UsageError(f"baseline: {one_line(file)} is not a JSON report; write one with --json F: {error}") from None
    if told.schema > SCHEMA:
        came = f"schema = {quoted(told.schema)}, but should be {SCHEMA}"
        raise UsageError(f"baseline: {one_line(file)}: {came}: a newer rnncheck has written it")
    return {
        (subject.name, verdict.property)
        for subject in told.subjects for verdict in subject.verdicts if verdict.verdict == "holds"
    }  # fmt: skip


def _lost(held: set[tuple[str, str]], report: "Report") -> list[str]:
    """Return what held and is neither green, nor red (which is reported as a failure), nor declared to deviate."""
    now = {(subject.name, verdict.property): verdict for subject, verdict in report.verdicts()}
    lost = []
    for subject, prop in sorted(held):
        verdict = now.get((subject, prop))
        if verdict is None:
            lost.append(f"{prop} on {subject} held in the baseline and was not checked now")
        elif verdict.verdict not in ("holds", "deviates") and not verdict.red:
            words = verdict.verdict.replace("_", " ")
            lost.append(f"{prop} on {subject} held in the baseline and is {words} now: {verdict.reason}")
    return lost


@click.command("gate")
@click.option(
    "--config", default="pyproject.toml", type=click.Path(dir_okay=False), metavar="F", show_default=True,
    help="The TOML file that says what to check.",
)  # fmt: skip
@click.option("--shard", metavar="2/5", help="Check only this part of the cases; rnncheck merge --config joins the parts.")
@report_options
def gate_command(config: str, shard: str | None, **options: Any) -> int:
    """Check what [tool.rnncheck] in pyproject.toml promises; in GitHub Actions, also annotate the failures."""
    files = take_files(options)
    from rnncheck.faces.config_file import read_config

    return tell(gate(read_config(Path(config)), shard=shard), files)


def tell(result: GateResult, files: dict[str, str]) -> int:
    """Write and print what the gate found, in GitHub Actions as annotations too; return the exit code."""
    from rich.console import Console
    from rich.text import Text

    from rnncheck.faces.github import annotations, write_summary
    from rnncheck.report.terminal import print_report

    console = Console(stderr="-" in files.values())
    code = write_reports(result.report, files, result.exit_code)
    print_report(result.report, console)
    for line in result.complaints:
        console.print(Text(plain(line), style="bold red"), soft_wrap=True)
    if result.complaints:
        console.print(Text(f"The gate failed: exit {result.exit_code}.", style="bold red"))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in annotations(result.report, result.complaints):
            click.echo(line, err="-" in files.values())
        write_summary(result.report, result.complaints, os.environ)
    return code
