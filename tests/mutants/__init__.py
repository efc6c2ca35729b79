"""Mutants: every historic bug of bugs.txt planted in a clean recurrent layer, and more of our own."""

from importlib import import_module
from itertools import chain
from pathlib import Path

from .registry import EXTRA, MUTANTS, Mutant

__all__ = ["BUGS", "EXTRA", "MUTANTS", "NOT_PLANTED", "Mutant"]

LINES = (Path(__file__).parent / "bugs.txt").read_text().splitlines()
BUGS: dict[str, str] = dict(line.split() for line in LINES if not line.startswith("#"))
"""The family of each historic bug, by its id."""

NOT_PLANTED: dict[str, str] = {}
"""Historic bugs that are not planted, with the reason."""

FILES = {
    "what a layer computes": (
        "forward", "gates", "direction", "lengths", "lengths_argument", "initial_states", "sizes", "wrapper_code",
    ),
    "in which numbers": ("numeric", "low_precision", "rounding"),
    "dropout": ("dropout", "dropout_masks"),
    "the backward": ("gradient", "double_backward", "graph", "open_graphs"),
    "around it": ("construction", "refusals", "history", "memory", "parameters", "copies", "settings", "transformed"),
    "other things than layers": (
        "cells", "clipping_norm", "clipping_scale", "clipping_refusals", "clipping_ranks", "steps", "pairs",
    ),
}  # fmt: skip
for _file in chain(*FILES.values()):
    import_module(f"{__name__}.planted.{_file}")
import_module(f"{__name__}.controls.other_builds")
