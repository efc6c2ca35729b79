"""Mutants: every historic bug of bugs.txt planted in a clean recurrent layer, and more of our own."""

from importlib import import_module
from itertools import chain
from pathlib import Path

from .registry import MUTANTS, Mutant

__all__ = ["BUGS", "MUTANTS", "NOT_PLANTED", "Mutant"]

LINES = (Path(__file__).parent / "bugs.txt").read_text().splitlines()
BUGS: dict[str, str] = dict(line.split() for line in LINES if not line.startswith("#"))
"""The family of each historic bug, by its id."""

NOT_PLANTED: dict[str, str] = {}
"""Historic bugs that are not planted, with the reason."""

FILES = {
    "the forward pass": (
        "forward",
        "gates",
        "direction",
        "lengths",
        "lengths_argument",
        "dropout",
        "numeric",
        "wrapper_code",
    ),
    "the backward": ("gradient", "double_backward", "graph", "open_graphs"),
    "around it": (
        "initial",
        "default_states",
        "refusals",
        "history",
        "memory",
        "export",
        "one_corner",
        "conditions_that_meet",
        "left_for_later",
    ),
    "few conditions": ("sizes", "ways_of_calling"),
    "other things than layers": ("cells", "clipping", "clipping_subtle", "clipping_ranks", "steps", "pairs"),
}
for _file in chain(*FILES.values()):
    import_module(f"{__name__}.planted.{_file}")
import_module(f"{__name__}.controls.other_builds")
