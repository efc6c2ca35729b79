"""Mutants: every historic bug of bugs.txt planted in a clean recurrent layer, and more of our own."""

from importlib import import_module
from pathlib import Path

from .registry import MUTANTS, Mutant

__all__ = ["BUGS", "MUTANTS", "NOT_PLANTED", "Mutant"]

LINES = (Path(__file__).parent / "bugs.txt").read_text().splitlines()
BUGS: dict[str, str] = dict(line.split() for line in LINES if not line.startswith("#"))
"""The family of each historic bug, by its id."""

NOT_PLANTED: dict[str, str] = {}
"""Historic bugs that are not planted, with the reason."""

for _file in (
    "forward",
    "gates",
    "direction",
    "lengths",
    "dropout",
    "initial",
    "edge",
    "refusals",
    "gradient",
    "graph",
):
    import_module(f"{__name__}.{_file}")
for _file in ("graph", "history", "memory", "numeric", "tools", "caller", "cells", "clipping", "clipping_more"):
    import_module(f"{__name__}.{_file}")
