"""``rnncheck.verify``: from a target to a report."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rnncheck.adapters import resolve
from rnncheck.campaign import PROFILES, Campaign, Progress, Settings
from rnncheck.catalog import CATALOG, select
from rnncheck.deviation import Deviation, declare
from rnncheck.engine import Workshop, make_engine
from rnncheck.environment import environment
from rnncheck.errors import UsageError
from rnncheck.property import Property
from rnncheck.report.model import Report
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
    device: str = "cpu",
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
    folder:     where failing cases are kept and replayed from, e.g. ".rnncheck"; None keeps none
    repro:      where to write a standalone script for each failure; None writes none

    Raises UsageError where the target or an option cannot be used.
    """
    subjects = resolve.subjects(target, against, kind)
    base = PROFILES.get(profile)
    if base is None:
        raise UsageError(f"profile = {profile!r}, but should be one of {', '.join(PROFILES)}")
    changes = {"cases": max_examples, "strength": strength}
    chosen = type(base)(**{**vars(base), **{k: v for k, v in changes.items() if v is not None}})
    settings = Settings(
        properties=tuple(_select(properties)),
        profile=chosen,
        seed=seed,
        budget=None if budget is None else seconds(budget),
        device=device,
        deviations=tuple([*declare(deviations), *resolve.known_deviations(subjects)]),
        folder=None if folder is None else Path(folder),
        repro=None if repro is None else Path(repro),
        environment=environment(),
        **({} if dtypes is None else {"dtypes": tuple(dtypes)}),
    )
    return run(subjects, settings, engine, jobs, progress)


def run(subjects: Sequence[Subject], settings: Settings, engine: str, jobs: int | None, progress: Progress | None) -> Report:
    """Probe what is not declared, then the campaign."""
    claimed = resolve.probe_all(subjects, engine, jobs)
    return Campaign(claimed, settings, progress).run(make_engine(engine, Workshop(claimed, CATALOG, resolve.probe), jobs))


def _select(properties: str) -> list[Property]:
    try:
        return select(properties)
    except KeyError as glob:
        raise UsageError(f"properties = {properties!r}, but {glob} names no property; see: rnncheck list") from None


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
