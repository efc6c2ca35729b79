"""What people say to ``rnncheck.verify``, as what a campaign is told; each raises UsageError where it cannot be meant."""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rnncheck.campaign.settings import PROFILES, Profile
from rnncheck.catalog import CATALOG, select
from rnncheck.core.case import DTYPES
from rnncheck.core.deviation import Deviation
from rnncheck.core.property import Property
from rnncheck.errors import UsageError


def profile_of(name: str, **changes: Any) -> Profile:
    """Return the profile of this name, with what is not None changed; with a number of cases, time is not what ends the run."""
    cases, strength = changes.get("cases"), changes.get("strength")
    if cases is not None and cases < 1:
        raise UsageError(f"max_examples = {cases!r}, but should be 1 or more")
    if strength is not None and not 2 <= strength <= 4:
        raise UsageError(f"strength = {strength!r}, but should be 2, 3 or 4")
    if name not in PROFILES:
        raise UsageError(f"profile = {name!r}, but should be one of {', '.join(PROFILES)}")
    profile = PROFILES[name] if cases is None else PROFILES[name].unhurried()
    return replace(profile, **{key: value for key, value in changes.items() if value is not None})


def known(deviations: Sequence[Deviation]) -> Sequence[Deviation]:
    """The deviations, each from a property that there is."""
    for deviation in deviations:
        if deviation.property not in CATALOG:
            raise UsageError(f"deviation from {deviation.property!r}, but there is no such property; see: rnncheck list")
    return deviations


def dtypes_of(names: Sequence[str]) -> tuple[str, ...]:
    """The dtypes of these names."""
    for name in names:
        if name not in DTYPES:
            raise UsageError(f"dtype = {name!r}, but should be one of {', '.join(DTYPES)}")
    return tuple(names)


def properties_of(globs: str) -> tuple[Property, ...]:
    """The properties that comma-separated globs name."""
    try:
        return tuple(select(globs))
    except KeyError as glob:
        raise UsageError(f"properties = {globs!r}, but {glob} names no property; see: rnncheck list") from None


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


def folder_of(path: str | Path, option: str) -> Path:
    """A folder that can be written to or made; raises UsageError, before any work is done, where it cannot."""
    folder = Path(path)
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        raise UsageError(f"{option} = {str(path)!r} cannot be written: {there} is a file, but should be a folder")
    if not os.access(there, os.W_OK):
        raise UsageError(f"{option} = {str(path)!r} cannot be written: no permission to write in {there}")
    return folder
