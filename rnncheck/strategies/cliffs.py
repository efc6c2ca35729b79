"""Cases with one awkward size each: where kernels change their path, which small sizes never show.

Vector widths, tiles and blocks end at powers of two; a long sequence and a wide batch have loops and offsets of their own.
"""

from collections.abc import Callable, Iterator, Sequence
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

    Without dropout; of two sizes in turn one in one direction and one in two. With an odd size all the others are odd; one
    beyond a power of two nothing hides the rest, and one short of it the input is packed, if there is such a case.
    """
    quiet = [case for case in plain if not case.dropout_active]
    turns = cycle(quiet)
    axes = [axis for axis in AXES if not (fixed and axis.endswith("_size"))]
    for directions in (1, 2):
        case = _next(turns, quiet, "batch", _in(directions))
        if case is not None:
            yield reduce(lambda grown, axis: _stretched(grown, axis, EVERYWHERE), axes, case)
    stacked = next((case for case in quiet if case.config.num_layers > 1), None)
    if stacked is not None and not fixed:
        yield stacked.but(num_layers=LAYERS)
    for number, size in enumerate(SIZES):
        odd, one_beyond = size % 2 == 1, (size - 1).bit_count() == 1
        rest_shows = [_hides_nothing if one_beyond else _is_packed] if odd else []
        for axis in axes:
            case = _next(turns, quiet, axis, *rest_shows, _in(directions=2 - number % 2))
            if case is not None:
                yield _stretched(_with_rests(case, axes) if odd else case, axis, size)


Wish = Callable[[Case], bool]


def _in(directions: int) -> Wish:
    return lambda case: case.config.directions == directions


def _hides_nothing(case: Case) -> bool:
    """Whether a row that goes wrong can be seen: it is no padding, has its biases, and digits enough."""
    return case.lengths is None and case.config.bias and case.dtype in ("float32", "float64")


def _is_packed(case: Case) -> bool:
    return case.lengths is not None


def _next(turns: Iterator[Case], all_of_them: Sequence[Case], axis: str, *wishes: Wish) -> Case | None:
    """The next case in turn that has this axis and as many of the wishes, the first ones first, as one round offers."""
    for kept in range(len(wishes), -1, -1):
        for case, _ in zip(turns, all_of_them, strict=False):
            if (axis != "batch" or case.batch is not None) and all(wish(case) for wish in wishes[:kept]):
                return case
    return None


def _with_rests(case: Case, axes: Sequence[str]) -> Case:
    """Every even size one larger: what is done in pairs or tiles has a rest along each axis."""
    sizes = {axis: getattr(case.config if axis.endswith("_size") else case, axis) for axis in axes}
    even = [axis for axis, size in sizes.items() if size is not None and size % 2 == 0]
    return reduce(lambda grown, axis: _stretched(grown, axis, sizes[axis] + 1), even, case)


def _stretched(case: Case, axis: str, size: int) -> Case:
    """The case with one size changed; lengths follow: as much shorter than all steps as they were, again and again."""
    lengths, rows = case.lengths, size if axis == "batch" else case.rows
    if lengths is not None:
        longer = size - case.time if axis == "time" else 0
        lengths = tuple(lengths[row % len(lengths)] + longer for row in range(rows))
        lengths = tuple(sorted(lengths, reverse=True)) if case.sorted_lengths else lengths
    changes = {"proj_size": (size + 1) // 2} if axis == "hidden_size" and case.config.proj_size else {}
    return case.but(**{axis: size}, **changes, lengths=lengths)
