"""``rnncheck.verify``: from a target to a report."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rnncheck.adapters import resolve
from rnncheck.campaign import Campaign, Progress
from rnncheck.case import DTYPES
from rnncheck.catalog import CATALOG, select
from rnncheck.deviation import Deviation, declare
from rnncheck.devices import asked_for, is_here
from rnncheck.engine import Workshop, make_engine
from rnncheck.environment import environment
from rnncheck.errors import UsageError
from rnncheck.property import Property
from rnncheck.report.model import Report
from rnncheck.settings import PROFILES, Profile, Settings
from rnncheck.subject import Subject


def verify(
    target: Any = None,
    *,
    against: Any = None,
    kind: str | None = None,
    properties: str = "*",
    profile: str = "ci",
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
    progress: Progress | None = None,
) -> Report:
    """Check which properties of a recurrent layer hold of ``target``; never raises on what it finds.

    target:     a class, factory, instance, cell, or clip function; a name like ``torch.nn.LSTM`` or ``mine.py:MyLSTM``;
                several of them in a list; None for rnncheck's own layers and torch's
    against:    the implementation that it is to agree with, in the same forms
    kind:       "layer", "cell" or "clip", where it cannot be told from the target
    properties: comma-separated globs over the ids of the catalog
    profile:    "smoke", "ci" or "nightly"; ``budget`` ("30s", seconds), ``max_examples`` and ``strength`` override its own
    engine:     "processes" (isolated workers), "inline", or "ray"
    address:    of the Ray cluster, e.g. "auto"
    case_seconds: wall time of one check until it counts as hung; default 20, and more for costly properties
    memory_limit: what a worker may take beyond what it starts with, e.g. "2GiB"; default: its share of what is free
    device:     "cpu", "cuda", "cuda:1", "mps", "xpu", several with commas, or "all" that are found
    require:    devices without which the report is incomplete (exit code 3)
    folder:     where failing cases are kept and replayed from, e.g. ".rnncheck"; None keeps none
    repro:      where to write a standalone script for each failure; None writes none

    Raises UsageError where the target or an option cannot be used.
    """
    started = time.monotonic()
    subjects = resolve.subjects(target, against, kind)
    devices, required = asked_for(device), [name for word in require for name in asked_for(word)]
    settings = Settings(
        properties=tuple(_select(properties)),
        profile=_profile(profile, cases=max_examples, strength=strength),
        seed=seed,
        budget=None if budget is None else seconds(budget),
        deviations=(*_known(declare(deviations)), *resolve.known_deviations(subjects)),
        folder=None if folder is None else Path(folder),
        repro=None if repro is None else Path(repro),
        environment=environment(),
        missing=tuple(name for name in required if not is_here(name)),
        **({} if dtypes is None else {"dtypes": _dtypes(dtypes)}),
    )
    claimed = resolve.probe_all(subjects, engine, jobs)
    named = _by_device(claimed, devices)
    workshop = Workshop([subject for subject, _ in named], CATALOG, resolve.probe)
    limits = {} if case_seconds is None else {"case_seconds": case_seconds}
    memory = None if memory_limit is None else bytes_of(memory_limit)
    running = make_engine(engine, workshop, jobs, devices=devices, memory=memory, address=address, **limits)
    return Campaign(named, settings, progress, started).run(running)


def _by_device(subjects: Sequence[Subject], devices: Sequence[str]) -> list[tuple[Subject, str]]:
    """Each subject on each device, which is part of its name, unless cpu."""
    return [
        (subject if device == "cpu" else replace(subject, name=f"{subject.name} on {device}"), device)
        for device in devices for subject in subjects
    ]  # fmt: skip


def _profile(name: str, **changes: Any) -> Profile:
    cases, strength = changes.get("cases"), changes.get("strength")
    if cases is not None and cases < 1:
        raise UsageError(f"max_examples = {cases!r}, but should be 1 or more")
    if strength is not None and not 2 <= strength <= 4:
        raise UsageError(f"strength = {strength!r}, but should be 2, 3 or 4")
    if name not in PROFILES:
        raise UsageError(f"profile = {name!r}, but should be one of {', '.join(PROFILES)}")
    return replace(PROFILES[name], **{key: value for key, value in changes.items() if value is not None})


def _known(deviations: Sequence[Deviation]) -> Sequence[Deviation]:
    for deviation in deviations:
        if deviation.property not in CATALOG:
            raise UsageError(f"deviation from {deviation.property!r}, but there is no such property; see: rnncheck list")
    return deviations


def _dtypes(names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if name not in DTYPES:
            raise UsageError(f"dtype = {name!r}, but should be one of {', '.join(DTYPES)}")
    return tuple(names)


def _select(properties: str) -> list[Property]:
    try:
        return select(properties)
    except KeyError as glob:
        raise UsageError(f"properties = {properties!r}, but {glob} names no property; see: rnncheck list") from None


def bytes_of(limit: str) -> int:
    """``"2GiB"``, ``"512MiB"``, ``"2G"`` or ``"512M"`` (powers of 1024), as bytes.

    >>> bytes_of("2GiB")
    2147483648
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([MG])(?:iB|B)?", limit.strip())
    if match is None or float(match[1]) <= 0:
        raise UsageError(f"memory limit = {limit!r}, but should be a size such as 512MiB or 2GiB")
    return int(float(match[1]) * {"M": 2**20, "G": 2**30}[match[2]])


def seconds(budget: str | float) -> float:
    """``"30s"``, ``"2m"``, ``"1h"`` or a number of seconds, as seconds.

    >>> seconds("2m")
    120.0
    """
    if isinstance(budget, int | float) and budget > 0:
        return float(budget)
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", str(budget).strip())
    if match is None or float(match[1]) <= 0:
        raise UsageError(f"budget = {budget!r}, but should be a time such as 30s, 2m or 1h")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]
