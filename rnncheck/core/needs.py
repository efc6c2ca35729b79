"""What a failure may need of a case: each feature in words, and the values of a field without it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from rnncheck.core.case import Case


@dataclass(frozen=True)
class Need:
    """A feature of cases in words, whether a case has it, and the values of the field with which it has not."""

    words: str
    field: str
    has: Callable[[Case], bool]
    without: tuple[Any, ...]


UNBATCHED = "unbatched input"
GIVEN = "an initial state given"
LENGTHS = "lengths given"
STEPS = (8, 16, 32, 64, 128)
"""Sizes of usual chunks. What a single step does shows within 8 steps; what needs more goes wrong at a chunk's end, or grows."""


def _steps(most: int) -> Need:
    without = tuple(steps for steps in STEPS if steps <= most)
    return Need(f"more than {most} steps", "time", lambda case: case.time > most and case.lengths is None, without)


NEEDS = (
    Need(UNBATCHED, "batch", lambda case: case.batch is None, (1, 2)),
    Need(LENGTHS, "lengths", lambda case: case.lengths is not None, (None,)),
    Need("several layers", "num_layers", lambda case: case.config.num_layers > 1, (1,)),
    Need("bidirectional=True", "bidirectional", lambda case: case.config.bidirectional, (False,)),
    Need("batch_first=True", "batch_first", lambda case: case.config.batch_first, (False,)),
    Need("bias=False", "bias", lambda case: not case.config.bias, (True,)),
    Need("dropout", "dropout", lambda case: case.config.dropout > 0, (0.0,)),
    Need("proj_size", "proj_size", lambda case: case.config.proj_size > 0, (0,)),
    Need("train()", "training", lambda case: case.training, (False,)),
    Need("input that is not contiguous", "layout", lambda case: case.layout != "contiguous", ("contiguous",)),
    Need(GIVEN, "hx", lambda case: case.hx != "none", ("none",)),
    Need("backend switches", "switches", lambda case: bool(case.switches), ((),)),
    *map(_steps, STEPS),
    Need("a dtype other than float32", "dtype", lambda case: case.dtype != "float32", ("float32",)),
)


MANY_STEPS = frozenset(need.words for need in NEEDS if need.field == "time" and need.without != STEPS[:1])
"""More than 16 steps, and so on: of two properties that fail for one cause, one may need more steps than the other."""


def most_telling(words: Iterable[str]) -> tuple[str, ...]:
    """Return these words of needs in order; of those of steps, the last alone, which implies the others.

    >>> most_telling(["train()", "more than 8 steps", "more than 16 steps"])
    ('train()', 'more than 16 steps')
    """
    found = [need for need in NEEDS if need.words in {*words}]
    longest = [need for need in found if need.field == "time"][-1:]
    return tuple(need.words for need in found if need.field != "time" or need in longest)


def features_of(case: Any) -> set[str]:
    """Return the words of all that this case has; nothing for a case of a clip function."""
    return {need.words for need in NEEDS if need.has(case)} if isinstance(case, Case) else set()
