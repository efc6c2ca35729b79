"""From the shards of a recording to its bundle."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from rnncheck.bundle.content import Bundle, Recorded
from rnncheck.bundle.file import read
from rnncheck.campaign.options import shard_of
from rnncheck.campaign.settings import Shard
from rnncheck.campaign.shard import all_there
from rnncheck.core.plain_text import one_line
from rnncheck.errors import UsageError

KEY = "shard"
"""The entry of a bundle's environment that says which part of a recording it is."""


def join(files: Sequence[Path]) -> Bundle:
    """Return the bundle that one recording makes; raises UsageError unless these files are all of its shards."""
    bundles = [read(file) for file in files]
    shards = [_shard(bundle, file) for bundle, file in zip(bundles, files, strict=True)]
    for bundle, file in zip(bundles, files, strict=True):
        differing = [name for name, value in _run(bundle).items() if value != _run(bundles[0]).get(name)]
        if differing:
            raise UsageError(f"{one_line(file)} and {one_line(files[0])} are not of one run: they differ in {differing[0]}")
    all_there([shard.index for shard in shards], shards[0].of)
    parts = [bundle.recorded for _, bundle in sorted(zip(shards, bundles, strict=True), key=lambda pair: pair[0].index)]
    if [len(part) for part in parts] != [len(range(i, sum(map(len, parts)), len(parts))) for i in range(len(parts))]:
        raise UsageError(f"{one_line(files[0])} and the others are not of one run: they differ in the number of cases")
    recorded = tuple(one for one in chain.from_iterable(zip_longest(*parts)) if isinstance(one, Recorded))
    environment = {name: value for name, value in bundles[0].environment.items() if name != KEY}
    return replace(bundles[0], environment=environment, recorded=recorded)


def _shard(bundle: Bundle, file: Path) -> Shard:
    if KEY not in bundle.environment:
        again = "rnncheck record TARGET --shard 1/5 -o F"
        raise UsageError(f"{one_line(file)} is the bundle of a whole run; make shards with: {again}")
    return shard_of(str(bundle.environment[KEY]))


def _run(bundle: Bundle) -> dict[str, Any]:
    """What all shards of one run have in common."""
    of = str(bundle.environment[KEY]).partition("/")[2]
    return {**bundle.environment, KEY: of, "target": bundle.subject, "modes": bundle.modes, "seed": bundle.seed}
