"""Cases with one awkward size each: where kernels change their path, which small sizes never show.

Vector widths, tiles and blocks end at powers of two; a long sequence and a wide batch have loops and offsets of their own.
"""

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import cycle

from rnncheck.case import Case

SIZES = (129, 33, 257, 513, 64, 128, 32, 127, 31, 65)
"""The telling ones first: a little beyond a power of two."""
EVERYWHERE = 40
"""On all axes at once: beyond 32, where a kernel may want more than one size to be large."""
LAYERS = 11
"""More than ten: where names are sorted, l10 comes before l2."""
AXES = ("hidden_size", "batch", "time", "input_size")
LARGE = 30
"""A size beyond this makes a case a large one."""


def is_large(case: Case, *, fixed: bool = False) -> bool:
    """Whether a size of the case is beyond what is drawn at random; ``fixed``: whether the layer's own sizes are given."""
    own = (0, 0) if fixed else (case.config.hidden_size, case.config.input_size)
    stacked = case.config.num_layers >= LAYERS and not fixed
    return stacked or max(case.time, case.rows, *own) > LARGE


def on_cliffs(plain: Sequence[Case], *, fixed: bool = False) -> Iterator[Case]:
    """All axes at once, in one and two directions; many layers; then each size on each axis, in one plain case after the other.

    Without dropout; of two sizes in turn one in one direction and one in two.
    """
    quiet = [case for case in plain if not case.dropout_active]
    turns = cycle(quiet)
    axes = [axis for axis in AXES if not (fixed and axis.endswith("_size"))]
    for directions in (1, 2):
        case = _next(turns, quiet, "batch", directions)
        if case is not None:
            yield reduce(lambda grown, axis: _stretched(grown, axis, EVERYWHERE), axes, case)
    stacked = next((case for case in quiet if case.config.num_layers > 1), None)
    if stacked is not None and not fixed:
        yield stacked.but(num_layers=LAYERS)
    for number, size in enumerate(SIZES):
        for axis in axes:
            case = _next(turns, quiet, axis, directions=2 - number % 2) or _next(turns, quiet, axis)
            if case is not None:
                yield _stretched(case, axis, size)


def _next(turns: Iterator[Case], all: Sequence[Case], axis: str, directions: int | None = None) -> Case | None:
    """The next case in turn that has this axis, and so many directions; None where there is none in one round."""
    able = (case for case, _ in zip(turns, all, strict=False) if axis != "batch" or case.batch is not None)
    return next((case for case in able if directions in (None, case.config.directions)), None)


def _stretched(case: Case, axis: str, size: int) -> Case:
    """The case with one size changed; lengths follow: as much shorter than all steps as they were, again and again."""
    lengths, rows = case.lengths, size if axis == "batch" else case.rows
    if lengths is not None:
        longer = size - case.time if axis == "time" else 0
        lengths = tuple(lengths[row % len(lengths)] + longer for row in range(rows))
        lengths = tuple(sorted(lengths, reverse=True)) if case.sorted_lengths else lengths
    changes = {"proj_size": (size + 1) // 2} if axis == "hidden_size" and case.config.proj_size else {}
    return case.but(**{axis: size}, **changes, lengths=lengths)
