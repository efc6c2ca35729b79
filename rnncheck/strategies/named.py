"""Cases of a recurrence that is read from its types: sizes of named axes, options, and times around the ends of chunks."""

from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any

from hypothesis import strategies as st

from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.named import Named
from rnncheck.core.subject import Subject
from rnncheck.core.values import Values
from rnncheck.strategies.cases import lengths, rotated, seeds, values
from rnncheck.strategies.chunks import chunk_of
from rnncheck.strategies.structure import OPTION, Row

SIZES = (2, 3, 4, 5, 6, 7, 8)
PLAIN_TIMES, PLAIN_BATCHES = (3, 5, 4, 8, 2, 7, 9), (2, 3, 4, 3, 1, 5, 2)
"""Of one plain case after the other."""
MOST_SEQUENCES = 16
"""In a batch that is as large as an axis."""


def plain_named_case(row: Row, subject: Subject, turn: int = 0, seed: int = 0) -> Case:
    """The simplest case of this row that can tell: axes of different sizes, and at every other turn all or one as the batch."""
    named, batch = _of(subject, row), PLAIN_BATCHES[turn % len(PLAIN_BATCHES)]
    sizes = {axis: SIZES[(turn + place) % 4] for place, (axis, _) in enumerate(named.sizes)}
    if turn % 4 == 1:  # early, since a wrong axis that fits shows nowhere else
        numbers = _sizes_as_numbers(named) or [batch]
        batch = numbers[turn // 4 % len(numbers)]
        sizes = dict.fromkeys(sizes, batch)
    elif turn % 4 == 3 and sizes:
        sizes[list(sizes)[turn // 4 % len(sizes)]] = batch
    ends = times(named)
    time = ends[turn % len(ends)] if ends else PLAIN_TIMES[turn % len(PLAIN_TIMES)]
    ramp = tuple(max(1, time - i) for i in range(max(batch, 3)))
    return _case(row, named.but_sizes(**sizes), time, batch, ramp, seed=seed, input=_spread(named, turn))


def _sizes_as_numbers(named: Named) -> list[int]:
    """The sizes of axes that are numbers, as those of a module that exists, which a batch may have as well."""
    numbers = (int(axis) for tensor in named.tensors for axis in tensor.axes.split() if axis.isdigit())
    return list(dict.fromkeys(number for number in numbers if 1 < number <= MOST_SEQUENCES))


def _spread(named: Named, turn: int) -> Values:
    """Of one plain case after the other: at every fourth turn, values with a bound are often far from it."""
    bounded = any(one.low is not None or one.high is not None for one in named.sequences)
    return Values("normal", 2.0) if bounded and turn % 4 == 2 else Values()


@st.composite
def named_cases(draw: Callable[..., Any], row: Row, subject: Subject, *, odd: bool) -> Case:
    """Cases of this row; ``odd`` ones have axes of size 1 and equal sizes."""
    named = _of(subject, row)
    count = len(named.sizes) + 1
    apart = st.lists(st.sampled_from(SIZES[:6]), min_size=min(count, 6), max_size=min(count, 6), unique=True)
    equal = st.integers(1, 4).map(lambda n: [n])
    small = st.lists(st.integers(1, 3), min_size=count, max_size=count)
    batch, *drawn = draw(st.one_of(equal, small) if odd else apart)
    drawn = drawn or [batch]
    sizes = {axis: drawn[place % len(drawn)] for place, (axis, _) in enumerate(named.sizes)}
    ends = times(named)
    time = draw(st.sampled_from(ends) if ends else st.integers(1, 3) if odd else st.integers(2, 9))
    steps = draw(lengths(time, max(batch, 1), descending=row["form"] == "sorted"))
    drawn_values = {name: draw(values()) for name in ("weights", "biases", "input", "state")}
    return _case(row, named.but_sizes(**sizes), time, batch, steps, seed=draw(seeds()), **drawn_values)


def times(named: Named) -> tuple[int, ...]:
    """Return numbers of steps around the ends of chunks, () where no option is one; first the one that goes on from both ends.

    >>> times(Named((), options=(("chunk_size", 4),)))
    (11, 5, 3, 4, 7, 1, 8)
    """
    chunk = chunk_of(named)
    ends = (2 * chunk + 3, chunk + 1, chunk - 1, chunk, 2 * chunk - 1, 1, 2 * chunk)
    return tuple(dict.fromkeys(time for time in ends if time > 0)) if chunk else ()


def spread_out(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with every third one that gives all sequences, as long as there are any, so that all sizes meet them early.

    >>> spread_out([{"gate": "left out"}] * 2 + [{"gate": "given"}] * 2)
    [{'gate': 'given'}, {'gate': 'left out'}, {'gate': 'left out'}, {'gate': 'given'}]
    """
    whole = [row for row in rows if "left out" not in row.values()]
    rest = [row for row in rows if "left out" in row.values()]
    thirds = zip_longest(whole, rest[::2], rest[1::2])
    return [row for third in thirds for row in third if row is not None]


def _of(subject: Subject, row: Row) -> Named:
    """The subject's tensors with the options of this row."""
    assert subject.named is not None
    return subject.named.but_options(**{name: row[OPTION + name] for name in subject.choices})


def _case(row: Row, named: Named, time: int, batch: int, steps: tuple[int, ...], **rest: Any) -> Case:
    packed = row["form"] in ("sorted", "unsorted")
    rows = None if row["form"] == "unbatched" else len(steps) if packed else batch
    turned = steps if row["form"] == "sorted" or "state" in rest else rotated(list(steps), 1)
    config = Config(row["mode"], 1, 1, named=named)
    return Case(config, time, rows, turned if packed else None, row["dtype"], row["device"], row["hx"], row["layout"],
                row["training"], row["switches"], **rest)  # fmt: skip
