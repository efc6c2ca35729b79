"""Hypothesis strategies for cases: sizes and values drawn around a structural row.

The simplest draw of each strategy is a generic case that can tell (different sizes, random values, non-zero biases), not
a trivial one: campaigns start there. Making a failing case simple is the business of rnncheck.shrink.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from hypothesis import strategies as st

from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.subject import Subject
from rnncheck.core.values import Values
from rnncheck.strategies.structure import Row

SCALES = (1.0, 0.5, 2.0, 0.1, 5.0, 1e-3, 20.0)
"""Of weights and input: from nearly linear to saturated."""
OVERRIDES = (0.0, 1.0, -1.0, 10.0, -100.0, 1e-6)


@cache  # building a strategy costs more than drawing from it
def sizes(*, min_size: int = 3, max_size: int = 8) -> st.SearchStrategy[list[int]]:
    """[time, batch, input, hidden], pairwise different, so that no axis can be mistaken for another."""
    return st.lists(st.integers(min_size, max_size), min_size=4, max_size=4, unique=True)


@cache
def degenerate_sizes() -> st.SearchStrategy[list[int]]:
    """[time, batch, input, hidden] with ones and equal sizes on purpose, and batch 0 now and then."""
    small = st.integers(1, 3)
    apart = st.tuples(small, st.integers(0, 3), small, small).map(list)
    equal = st.integers(1, 4).map(lambda n: [n, n, n, n])
    square = st.tuples(st.integers(2, 5), small, st.integers(2, 4)).map(lambda t: [t[0], t[0], t[1], t[2]])  # time = batch
    return st.one_of(square, apart, equal)


@cache
def values() -> st.SearchStrategy[Values]:
    """Generic values first, then scales, patterns and up to three overrides."""
    overrides = st.lists(st.tuples(st.integers(0, 40), st.sampled_from(OVERRIDES)), max_size=3).map(tuple)
    patterns = st.sampled_from(("normal", "sparse", "one_hot", "alternating", "ramp", "ones", "zeros"))
    generic = st.builds(Values, st.just("normal"), st.sampled_from(SCALES[:3]))
    return st.one_of(st.just(Values()), generic, st.builds(Values, patterns, st.sampled_from(SCALES), overrides))


@cache
def lengths(time: int, batch: int, *, descending: bool) -> st.SearchStrategy[tuple[int, ...]]:
    """A length from 1 to time for each sequence; in descending order, or that order rotated.

    A rotation (of three or more) is not its own inverse, so it tells sorting from restoring.
    """
    ramp = [max(1, time - i) for i in range(batch)]
    drawn = st.lists(st.integers(1, time), min_size=batch, max_size=batch).map(lambda some: sorted(some, reverse=True))
    turns = st.just(0) if descending else st.integers(1, max(1, batch - 1))
    return st.tuples(st.one_of(st.just(ramp), drawn), turns).map(lambda drawn: rotated(*drawn))


def rotated(some: list[int], turn: int) -> tuple[int, ...]:
    """Return the last ``turn`` first."""
    return tuple(some[-turn:] + some[:-turn]) if turn else tuple(some)


DROPOUTS = (0.5, 0.9, 0.25)
"""0.5 is both what is dropped and what is kept."""


@cache
def seeds() -> st.SearchStrategy[int]:
    """Of eight digits, two at a time: among larger integers Hypothesis mixes constants that it finds in whatever is imported."""
    pair = st.integers(0, 99)
    return st.tuples(pair, pair, pair, pair).map(lambda pairs: sum(value * 100**place for place, value in enumerate(pairs)))


PLAIN_SIZES = ((3, 4, 5, 6), (4, 4, 5, 3), (3, 4, 6, 5), (2, 1, 5, 4), (3, 5, 4, 6), (5, 3, 1, 2), (4, 3, 6, 1))
"""Of one plain case after the other, (time, batch, input, hidden): mostly all different, and each at its smallest now and then."""


def plain_case(row: Row, subject: Subject, turn: int = 0, seed: int = 0) -> Case:
    """The simplest case of this structural row that can tell: different sizes, random values, a length of each kind."""
    time, batch, input_size, hidden_size = PLAIN_SIZES[turn % len(PLAIN_SIZES)]
    batch = max(batch, 3) if row["form"] == "unsorted" else batch
    ramp = tuple(max(1, time - i) for i in range(batch))
    steps = {"sorted": ramp, "unsorted": rotated(list(ramp), 1)}.get(row["form"])
    rows = None if row["form"] == "unbatched" else batch
    config = subject.fixed or _config(row, input_size, hidden_size, DROPOUTS[turn % len(DROPOUTS)], subject)
    return Case(config, time, rows, steps, row["dtype"], row["device"], row["hx"], row["layout"], row["training"],
                row["switches"], seed=seed)  # fmt: skip


@st.composite
def cases(draw: Callable[..., Any], row: Row, subject: Subject, *, size: st.SearchStrategy[list[int]] | None = None) -> Case:
    """Cases of this structural row; an instance keeps the sizes of its one configuration."""
    time, batch, input_size, hidden_size = draw(sizes() if size is None else size)
    config = subject.fixed or _config(row, input_size, hidden_size, draw(st.sampled_from(DROPOUTS)), subject)
    form = row["form"]
    rows = None if form == "unbatched" else batch
    if form in ("sorted", "unsorted"):
        rows = max(batch, 1)
    steps = draw(lengths(time, rows, descending=form == "sorted")) if form in ("sorted", "unsorted") else None
    return Case(
        config, time, rows, steps, row["dtype"], row["device"], row["hx"], row["layout"], row["training"],
        row["switches"], weights=draw(values()), biases=draw(values()), input=draw(values()), state=draw(values()),
        seed=draw(seeds()),
    )  # fmt: skip


def _config(row: Row, input_size: int, hidden_size: int, dropout: float, subject: Subject) -> Config:
    input_size = hidden_size if subject.one_size else input_size
    hidden_size = max(hidden_size, 2) if row["proj"] else hidden_size
    proj_size = (hidden_size + 1) // 2 if row["proj"] else 0
    return Config(
        row["mode"], input_size, hidden_size, row["num_layers"], row["bias"], row["batch_first"],
        dropout if row["dropout"] else 0.0, row["bidirectional"], proj_size, row["reset_after"],
        subject.nature.get("parts", 1),
    )  # fmt: skip
