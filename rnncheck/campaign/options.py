"""The arguments of ``rnncheck.verify`` as the settings of a campaign; each function raises UsageError on a wrong one."""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rnncheck.campaign.settings import PROFILES, Profile, Shard
from rnncheck.catalog import CATALOG, select
from rnncheck.core.bounds import whole
from rnncheck.core.case import DTYPES
from rnncheck.core.deviation import Deviation
from rnncheck.core.plain_text import one_line, quoted
from rnncheck.core.property import Property
from rnncheck.errors import UsageError

MOST_SECONDS = 10_000_000
"""A budget or a check of four months; clocks and waits of the system take no more."""
MOST_MEMORY = 1 << 50
MOST_SHARDS = 10_000


def profile_of(name: str, **changes: Any) -> Profile:
    """Return the profile of this name, with what is not None changed; with a number of cases, time is not what ends the run."""
    cases = changes.get("cases")
    for option, value in (("max_examples", cases), ("strength", changes.get("strength"))):
        if value is not None:
            whole(option, value)
    if name not in PROFILES:
        raise UsageError(f"profile = {quoted(name)}, but should be one of {', '.join(PROFILES)}")
    profile = PROFILES[name] if cases is None else PROFILES[name].unhurried()
    return replace(profile, **{key: value for key, value in changes.items() if value is not None})


def known(deviations: Sequence[Deviation]) -> Sequence[Deviation]:
    """The deviations, each from a property that there is."""
    for deviation in deviations:
        if deviation.property not in CATALOG:
            raise UsageError(f"deviation from {quoted(deviation.property)}, but there is no such property; see: rnncheck list")
    return deviations


def dtypes_of(names: Sequence[str]) -> tuple[str, ...]:
    """The dtypes of these names."""
    for name in names:
        if name not in DTYPES:
            raise UsageError(f"dtype = {quoted(name)}, but should be one of {', '.join(DTYPES)}")
    return tuple(names)


def properties_of(globs: str) -> tuple[Property, ...]:
    """The properties that comma-separated globs name."""
    try:
        return tuple(select(globs))
    except KeyError as glob:
        raise UsageError(f"properties = {quoted(globs)}, but {one_line(glob)} names no property; see: rnncheck list") from None


def bytes_of(limit: str) -> int:
    """``"2GiB"``, ``"512MiB"``, ``"2G"`` or ``"512M"`` (powers of 1024), as bytes.

    >>> bytes_of("2GiB")
    2147483648
    """
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,15})?)\s*([MG])(?:iB|B)?", str(limit).strip(), re.ASCII)
    size = 0 if match is None else int(float(match[1]) * {"M": 2**20, "G": 2**30}[match[2]])
    if not 2**20 <= size <= MOST_MEMORY:
        most = f"up to {MOST_MEMORY >> 30}GiB"
        raise UsageError(f"memory limit = {quoted(limit)}, but should be a size such as 512MiB or 2GiB, {most}")
    return size


def seconds(budget: str | float) -> float:
    """``"30s"``, ``"2m"``, ``"1h"`` or a number of seconds, as seconds.

    >>> seconds("2m")
    120.0
    """
    found = budget
    if isinstance(budget, str):
        match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,15})?)\s*([smh]?)", budget.strip(), re.ASCII)
        found = 0.0 if match is None else float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]
    if type(found) not in (int, float) or not 0 < found <= MOST_SECONDS:  # type: ignore[operator]
        raise UsageError(f"budget = {quoted(budget)}, but should be a time such as 30s, 2m or 1h, up to {MOST_SECONDS} s")
    return float(found)


def shard_of(words: str) -> Shard:
    """Return ``"2/5"`` as a Shard; raises UsageError where it is none.

    >>> shard_of("2/5")
    Shard(index=2, of=5)
    """
    found = re.fullmatch(r"([0-9]{1,5})/([0-9]{1,5})", words.strip())
    index, of = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= index <= of <= MOST_SHARDS:
        raise UsageError(f"shard = {quoted(words)}, but should be a part and the number of parts, such as 2/5")
    return Shard(index, of)


def case_seconds_of(seconds: float) -> float:
    """The wall time of one check; raises UsageError where it is none."""
    if type(seconds) not in (int, float) or not 0 < seconds <= MOST_SECONDS:
        raise UsageError(f"case_seconds = {quoted(seconds)}, but should be a number of seconds, up to {MOST_SECONDS}")
    return float(seconds)


def folder_of(path: str | Path, option: str) -> Path:
    """A folder that can be written to or made; raises UsageError, before any work is done, where it cannot."""
    folder, name = Path(path), quoted(str(path))
    try:
        there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    except (OSError, ValueError) as error:  # a loop of links, a name that is too long, a zero byte
        raise UsageError(f"{option} = {name} cannot be written: {one_line(error)}") from None
    if not there.is_dir():
        raise UsageError(f"{option} = {name} cannot be written: {one_line(there)} is a file, but should be a folder")
    if not os.access(there, os.W_OK):
        raise UsageError(f"{option} = {name} cannot be written: no permission to write in {one_line(there)}")
    return folder
