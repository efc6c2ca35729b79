"""Cases with one awkward size each: where kernels change their path, which small sizes never show.

Vector widths, tiles and blocks end at powers of two; a long sequence and a wide batch have loops and offsets of their own.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from itertools import combinations, cycle

from rnncheck.core.case import Case
from rnncheck.strategies.chunks import chunk_of

SIZES = (129, 1025, 33, 257, 513, 64, 128, 32, 127, 31, 65)
"""The telling ones first: a little beyond a power of two, one of them beyond all that is common."""
FIRST = 2
"""The number of them that come before several sizes are large at once."""
PAIRED = 129
"""On two axes at once: where a kernel goes by the product of two sizes."""
EVERYWHERE = 40
"""On all axes at once: beyond 32, where a kernel may want more than one size to be large."""
DEPTHS = (11, 4, 8)
"""Layers: more than ten, where names are sorted, and l10 comes before l2; and as many as are unrolled, or cut into equal stages."""
SMALL_CHUNK = 16
"""Steps of a chunk of which two and a bit are no long sequence."""
AXES = ("hidden_size", "batch", "time", "input_size")
LARGE, HUGE = 30, 600
"""A size beyond LARGE makes a case a large one; HUGE hidden units a huge one."""
LONG = 67
"""Steps that end neither at a power of two nor in a whole number of usual chunks, of 64 at most."""
LONGER = 131
"""The same of chunks of 128 at most, with two whole ones of 64; a scan of them takes its level of 128."""


def is_large(case: Case, *, fixed: bool = False) -> bool:
    """Whether a size of the case is beyond what is drawn at random; ``fixed``: whether the layer's own sizes are given."""
    named = case.config.named
    own = _sizes(case) if not fixed else ()
    stacked = case.config.num_layers >= min(DEPTHS) and not fixed
    return stacked or max(0 if named and in_few_chunks(case) else case.time, case.rows, *own) > LARGE


def is_huge(case: Case, *, fixed: bool = False) -> bool:
    """Return whether there are enough recurrent weights that a gradient takes seconds."""
    return case.config.hidden_size > HUGE and not fixed


def is_narrow(case: Case, *, fixed: bool = False) -> bool:
    """Return whether its steps alone make a case large, and a few calls of as many steps take no long time."""
    return case.time <= LONGER and not is_large(case.but(time=1, lengths=None), fixed=fixed)


def long_and_narrow(plain: Sequence[Case], steps: int = LONG) -> Iterator[Case]:
    """A plain case that shows what happens at the ends of chunks: many steps, and a state to go on from; if there is one.

    What is read from its types may go on from a cache instead, or be compared with a reference.
    """
    able = [case for case in plain if _hides_nothing(case) and case.time > 1 and not case.dropout_active]
    able = [case for case in able if _has_state(case)] or [case for case in able if case.config.named is not None]
    yield from (_stretched(case, "time", steps) for case in able[:1])


def _sizes(case: Case) -> tuple[int, ...]:
    """The layer's own sizes; of one that types describe, those of its axes."""
    named = case.config.named
    return (case.config.hidden_size, case.config.input_size) if named is None else tuple(size for _, size in named.sizes)


def in_few_chunks(case: Case) -> bool:
    """Whether a case from types is as long as a chunk and a step, or as two small ones: no longer than shows their ends."""
    chunk = chunk_of(case.config.named)
    return case.time <= max(2 * chunk + 3 if chunk <= SMALL_CHUNK else 0, chunk + 1)


def on_cliffs(plain: Sequence[Case], *, fixed: bool = False) -> Iterator[Case]:
    """All axes at once, in one and two directions; many layers; each size on each axis, and on two, in plain cases in turn.

    Without dropout; of two sizes in turn one in one direction and one in two.
    """
    quiet = [case for case in plain if not case.dropout_active]
    walk = Walk(quiet, tuple(axis for axis in AXES if not (fixed and axis.endswith("_size"))))
    for directions in (1, 2):
        yield from walk.to(walk.axes, EVERYWHERE, _in(directions))
    yield from walk.down(() if fixed else DEPTHS)
    for turn, size in enumerate(SIZES):
        if turn == FIRST:
            yield from walk.pairs()
        yield from (case for axis in walk.axes for case in walk.to((axis,), size, _in(directions=2 - turn % 2)))


Wish = Callable[[Case], bool]


class Walk:
    """Along the plain cases again and again, to the cliffs of these axes."""

    def __init__(self, quiet: Sequence[Case], axes: Sequence[str]) -> None:
        self.quiet, self.axes, self.turns = quiet, axes, cycle(quiet)

    def to(self, axes: Sequence[str], size: int, *wishes: Wish) -> Iterator[Case]:
        """A case of this size on these axes, if any can be.

        With an odd size all the others are odd; one beyond a power of two nothing hides the rest, and one short of it the
        input is packed. What takes long has one layer.
        """
        odd, one_beyond = size % 2 == 1, (size - 1).bit_count() == 1
        rest_shows = [_hides_nothing if one_beyond else _is_packed] if odd else []
        long = len(axes) > 1 or (size > PAIRED and axes[0] in ("time", "hidden_size"))
        case = self.next("batch" in axes, *([_is_one_layer] if long else []), *rest_shows, *wishes, _is_batched)
        if case is not None:
            case = _with_rests(case, self.axes) if odd else case
            yield reduce(lambda grown, axis: _stretched(grown, axis, size), axes, case)

    def pairs(self) -> Iterator[Case]:
        """Every two axes at once; time and batch packed, with as many lengths as there can be."""
        for axes in combinations(self.axes, 2):
            if axes == ("batch", "time"):
                yield from map(_of_many_lengths, self.to(axes, PAIRED - 2, _is_packed))
            else:
                yield from self.to(axes, PAIRED)

    def down(self, depths: Sequence[int]) -> Iterator[Case]:
        """A stack of each depth."""
        for depth in depths:
            case = self.next(False, _is_stacked, _has_state)
            if case is not None and _is_stacked(case):
                yield case.but(num_layers=depth)

    def next(self, batched: bool, *wishes: Wish) -> Case | None:
        """The next case in turn that has as many of the wishes, the first ones first, as one round offers."""
        for kept in range(len(wishes), -1, -1):
            for case, _ in zip(self.turns, self.quiet, strict=False):
                if (case.batch is not None or not batched) and all(wish(case) for wish in wishes[:kept]):
                    return case
        return None


def _in(directions: int) -> Wish:
    return lambda case: case.config.directions == directions


def _hides_nothing(case: Case) -> bool:
    """Whether a row that goes wrong can be seen: it is no padding, has its biases, and digits enough."""
    return case.lengths is None and case.config.bias and case.dtype in ("float32", "float64")


def _is_packed(case: Case) -> bool:
    return case.lengths is not None


def _is_batched(case: Case) -> bool:
    return case.batch is not None


def _is_one_layer(case: Case) -> bool:
    return case.config.num_layers == 1


def _is_stacked(case: Case) -> bool:
    return case.config.num_layers > 1


def _has_state(case: Case) -> bool:
    return case.hx == "random"


def _of_many_lengths(case: Case) -> Case:
    """Of packed input every sequence is a step shorter than the one before, as far as they go; the shortest first if unsorted."""
    if case.lengths is None:
        return case
    ramp = [max(1, case.time - row) for row in range(case.rows)]
    return case.but(lengths=tuple(ramp if case.sorted_lengths else ramp[-1:] + ramp[:-1]))


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
