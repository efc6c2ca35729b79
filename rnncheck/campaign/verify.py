"""``rnncheck.verify``: from a target to a report."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

from rnncheck.adapters.probing.settle import declares_all
from rnncheck.adapters.targets import resolve
from rnncheck.backend import own_functions
from rnncheck.backend.compilers import PROBED, USERS, import_compilers
from rnncheck.backend.devices import asked_for, is_here
from rnncheck.backend.environment import environment
from rnncheck.campaign import importing
from rnncheck.campaign.campaign import Campaign, Progress
from rnncheck.campaign.clock import began
from rnncheck.campaign.options import (
    bytes_of,
    case_seconds_of,
    dtypes_of,
    folder_of,
    known,
    profile_of,
    properties_of,
    seconds,
    shard_of,
)
from rnncheck.campaign.order import DEAR
from rnncheck.campaign.probing import NOT_NEEDED, asked_only, needed_by, not_dear, probe_all
from rnncheck.campaign.settings import Settings
from rnncheck.catalog import CATALOG
from rnncheck.core.bounds import whole
from rnncheck.core.deviation import Deviation, declare
from rnncheck.core.property import Property
from rnncheck.core.subject import Subject
from rnncheck.core.verdict import TOO_DEAR
from rnncheck.engine import WorkerContext, make_engine
from rnncheck.reading.said import checked
from rnncheck.report.report import Report

EVERYTHING = "*"
"""All properties, where none are chosen."""
LEAST_FOR_A_PROBE = 10.0
"""Seconds that a probe is given where a third of the budget is as much; it takes two or three where nothing hangs."""
SEVERAL = 3
"""Subjects from which on all that compilers import is imported once for all of them."""
LONG_IMPORT = 1.0
"""Seconds from which on the import of a target is named."""


@own_functions.kept()
def verify(
    target: Any = None,
    *,
    against: Any = None,
    kind: str | None = None,
    typed: Any = None,
    time: str | None = None,
    properties: str = EVERYTHING,
    properties_from: Sequence[str] = (),
    profile: str | None = None,
    budget: str | float | None = None,
    max_examples: int | None = None,
    strength: int | None = None,
    seed: int = 0,
    jobs: int | None = None,
    engine: str = "processes",
    address: str | None = None,
    case_seconds: float | None = None,
    memory_limit: str | None = None,
    device: str = "cpu",
    require: Sequence[str] = (),
    dtypes: Sequence[str] | None = None,
    deviations: Mapping[str, str] | Sequence[Deviation] | None = None,
    folder: str | Path | None = None,
    repro: str | Path | None = None,
    strict: bool = False,
    read: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    shard: str | None = None,
) -> Report:
    """Check which properties of a recurrent layer hold of ``target``; never raises on what it finds.

    Args:
        target: a class, factory, instance, cell, clip function or training step; a name like ``mine.py:MyLSTM``;
            several of them in a list; None for rnncheck's own layers and torch's
        against: the implementation that it must agree with, in the same forms
        kind: "layer", "cell", "clip", "step" or "pair", where the target does not show it
        typed: a stub that gives types to a target without any: a function with its parameter names, annotated; one with a body is
            the reference as well (docs/recurrences.md)
        time: the name of the time axis in the annotations, where it is not "time"
        properties: comma-separated globs over the ids of the catalog, and of properties of your own (rnncheck.property)
        properties_from: files or modules that declare such, beside those of the target's own file
        profile: "smoke", "quick", "ci" or "nightly"; ``budget``, ``max_examples`` and ``strength`` override its own. The default is
            "ci", and without a target "quick": all of them together in a minute and a half
        budget: wall time for everything, as "30s" or in seconds
        max_examples: the number of cases for each subject, at most
        strength: cases cover every combination of any that many structural options
        seed: the same seed gives the same cases
        jobs: the number of worker processes; default: one for each core
        engine: "processes" (isolated workers), "inline", or "ray"
        address: the address of the Ray cluster, e.g. "auto"
        case_seconds: wall time of one check until it counts as hung; default 20, and more for costly properties
        memory_limit: memory of a worker beyond what it starts with, e.g. "2GiB"; default: its share of what is free
        device: "cpu", "cuda", "cuda:1", "mps", "xpu", several with commas, or "all" that are found
        require: devices without which the report is incomplete (exit code 3)
        dtypes: those to draw cases in, such as ("float32", "bfloat16"); default: all four
        deviations: property -> reason, or Deviations: what is known not to hold
        folder: where failing cases are kept and replayed from, e.g. ".rnncheck"; None keeps none
        repro: where to write, for each failure, a standalone script and a pytest test; None writes none
        strict: whether a broken convention fails also where the target does not replace torch's
        read: how the target is called, by the words that ``rnncheck read`` prints, e.g. {"batch_first": True}
        progress: called as ``progress(doing, cases_done, cases_planned)``
        shard: "2/5" for the second of five parts of the cases; the JSON reports of all parts merge into the report of one run

    Raises UsageError where the target or an option cannot be used.
    """
    started, arrived = began(), monotonic()
    subjects = as_said(importing.subjects(target, against, kind, typed, time), read)
    importing.properties(properties_from)
    took = 0.0 if target is None and not properties_from else monotonic() - arrived
    devices, required = asked_for(device), [name for word in require for name in asked_for(word)]
    settings = Settings(
        properties=properties_of(properties),
        profile=profile_of(profile or ("quick" if target is None else "ci"), cases=max_examples, strength=strength),
        seed=whole("seed", seed),
        budget=None if budget is None else seconds(budget),
        deviations=(*known(declare(deviations)), *resolve.known_deviations(subjects)),
        folder=None if folder is None else Path(folder),
        repro=None if repro is None else folder_of(repro, "repro"),
        environment={**environment(), **_told(took)},
        strict=strict,
        missing=tuple(name for name in required if not is_here(name)),
        shard=None if shard is None else shard_of(shard),
        **({} if dtypes is None else {"dtypes": dtypes_of(dtypes)}),
    )
    limits = {} if case_seconds is None else {"case_seconds": case_seconds_of(case_seconds)}
    jobs = None if jobs is None else whole("jobs", jobs)
    memory = None if memory_limit is None else bytes_of(memory_limit)
    first_look = properties == EVERYTHING and not settings.profile.dear
    probed, why = (not_dear(settings.properties), TOO_DEAR) if first_look else (settings.properties, NOT_NEEDED)
    if engine == "processes":
        _import_once(subjects, probed)
    started += took
    left = started + settings.seconds(len(subjects)) - monotonic()
    claimed = probe_all(asked_only(subjects, probed, why), engine, jobs, _for_a_probe(settings.seconds(1)), left)
    named = _by_device(claimed, devices)
    workshop = WorkerContext([subject for subject, _ in named], CATALOG, resolve.probe)
    running = make_engine(engine, workshop, jobs, devices=devices, memory=memory, address=address, **limits)
    told = {**settings.environment, **_late(monotonic() - started, settings.budget)}
    return Campaign(named, replace(settings, environment=told), progress, started).run(running)


def _import_once(subjects: Sequence[Subject], properties: Sequence[Property]) -> None:
    """Import here what the probe would import for itself, and each worker again."""
    if len(subjects) >= SEVERAL and any(prop.cost >= DEAR for prop in properties):
        import_compilers()
    elif needed_by(properties) & USERS and any(one.kind == "layer" and not declares_all(one) for one in subjects):
        import_compilers(PROBED)


def as_said(subjects: Sequence[Subject], read: Mapping[str, Any] | None) -> list[Subject]:
    """Return the subjects with what is said of how they are read; raises UsageError where it cannot be meant."""
    more = {} if read is None else checked(read, "read")
    return [replace(subject, said={**subject.said, **more}) for subject in subjects] if more else list(subjects)


def _for_a_probe(seconds: float) -> float:
    """Return the seconds for a probe out of all ``seconds``: a subject that always hangs takes a case to show it, too."""
    return min(max(LEAST_FOR_A_PROBE, seconds / 4), seconds / 3)


def _told(importing: float) -> dict[str, str]:
    """Return how long the import of the target took, where that is long: it does not count."""
    return {} if importing < LONG_IMPORT else {"import": f"{importing:.1f} s for the import of the target, outside the budget"}


def _late(gone: float, budget: float | None) -> dict[str, str]:
    """Return how much of a budget was gone before the first case, where that is most of it."""
    if budget is None or gone <= budget / 2:
        return {}
    of = f"{gone:.1f} s of the budget of {budget:g} s were gone before the first case"
    return {"start": f"{of}: the import of torch and a look at the target take that long here"}


def _on(subject: Subject, device: str) -> Subject:
    place = None if subject.place is None else f"{subject.place} on {device}"
    return replace(subject, name=f"{subject.name} on {device}", place=place)


def _by_device(subjects: Sequence[Subject], devices: Sequence[str]) -> list[tuple[Subject, str]]:
    """Each subject on each device, which is part of its name, unless cpu."""
    return [
        (subject if device == "cpu" else _on(subject, device), device)
        for device in devices for subject in subjects
    ]  # fmt: skip
