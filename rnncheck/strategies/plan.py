"""In which order a subject's cases are visited: every structural row once, awkward sizes in between, then odd ones, then depth."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from hypothesis.strategies import SearchStrategy, tuples

from rnncheck.core.case import Case
from rnncheck.core.step_case import Reduction
from rnncheck.core.subject import Subject
from rnncheck.strategies.cases import cases, degenerate_sizes, plain_case, sizes
from rnncheck.strategies.chunks import chunk_of
from rnncheck.strategies.cliffs import LONG, LONGER, long_and_narrow, on_cliffs
from rnncheck.strategies.draw import draw
from rnncheck.strategies.named import named_cases, plain_named_case, spread_out
from rnncheck.strategies.structure import rows

DEPTH = 5
"""How many cases of a row are drawn in one go, and"""
CHUNK = 12
"""of how many rows: Hypothesis' set-up is paid once for all of them."""
FIRST_LONG = 7
"""The place of the plain case after which a long one comes."""
LONG_NAMED = {1: LONGER, 5: LONG}
"""The same of a recurrence that is read from its types, where no option says how long a chunk is: nothing else sees its ends."""
FIRST_CLIFF = 20
"""The number of small cases at the start; then every third is one on a cliff, so that large sizes are not left to the end."""


def plan(subject: Subject, dtypes: tuple[str, ...], strength: int, seed: int, device: str = "cpu") -> Iterator[Any]:
    """Cases without end: all rows with a plain case, and some on cliffs, all rows with degenerate sizes, all at random, …"""
    if subject.kind == "clip":
        yield from _clip_cases(seed, device)
        return
    if subject.kind == "step":
        yield from _step_cases(subject, seed, device)
        return
    if subject.kind == "pair":
        yield from _pair_cases(subject, seed, device)
        return
    structure = rows(subject, dtypes, strength, device)
    if subject.named is not None:
        yield from map(subject.in_whole_chunks, _named_cases(structure, subject, seed))
        return
    if subject.nature.keys() & {"multiples", "least"}:
        yield from (replace(case, config=subject.fitted(case.config)) for case in _layer_cases(structure, subject, seed))
    else:
        yield from _layer_cases(structure, subject, seed)


def _layer_cases(structure: list[dict[str, Any]], subject: Subject, seed: int) -> Iterator[Case]:
    """Every row plain, and some long or wide in between, then drawn ones."""
    plain = [plain_case(row, subject, turn, seed + turn) for turn, row in enumerate(structure)]  # a property draws anew on each
    cliffs = _in_few_steps(on_cliffs(plain, fixed=subject.fixed is not None), subject)
    for turn, case in enumerate(plain):
        yield case
        yield from long_and_narrow(plain) if turn == min(FIRST_LONG, len(plain) - 1) else ()
        yield from islice(cliffs, int(turn >= FIRST_CLIFF and turn % 2))
    yield from cliffs
    for step in range(10**6 if structure else 0):
        yield from _drawn(structure, subject, degenerate_sizes(), 1, _mix(seed, step, 1))
        yield from _drawn(structure, subject, sizes(), DEPTH, _mix(seed, step, 2))


def _in_few_steps(cliffs: Iterator[Case], subject: Subject) -> Iterator[Case]:
    """The cases without the longest sequences where only the last output comes back: there each output takes a call of its own."""
    return (case for case in cliffs if case.time <= LONGER or not subject.nature.get("last"))


def _named_cases(structure: list[dict[str, Any]], subject: Subject, seed: int) -> Iterator[Case]:
    """The same of a recurrence that is read from its types: every row plain, and some long or wide, then drawn ones."""
    spread = spread_out(structure)
    plain = [plain_named_case(row, subject, turn, seed + turn) for turn, row in enumerate(spread)]
    cliffs = on_cliffs(plain, fixed=True)
    for turn, case in enumerate(plain):
        yield case
        steps = 0 if chunk_of(case.config.named) else LONG_NAMED.get(turn, 0)
        yield from long_and_narrow(plain[turn:], steps) if steps else ()
        yield from islice(cliffs, int(turn >= FIRST_CLIFF and turn % 2))
    yield from cliffs
    for step in range(10**6 if structure else 0):
        for odd, depth in ((True, 1), (False, DEPTH)):
            drawn = [named_cases(row, subject, odd=odd) for row in structure]
            yield from _rounds(drawn, depth, _mix(seed, step, 2 - odd))


def _drawn(
    structure: list[dict[str, Any]], subject: Subject, size: SearchStrategy[list[int]], depth: int, seed: int
) -> Iterator[Case]:
    """``depth`` cases of each row, in as many rounds over all rows."""
    yield from _rounds([cases(row, subject, size=size) for row in structure], depth, seed)


def _rounds(each: list[SearchStrategy[Case]], depth: int, seed: int) -> Iterator[Case]:
    """``depth`` cases of each of these strategies."""
    together = [tuples(*each[i : i + CHUNK]) for i in range(0, len(each), CHUNK)]
    rounds = [draw(strategy, depth + 1, _mix(seed, i))[1:] for i, strategy in enumerate(together)]  # the first is trivial
    for level in range(depth):
        yield from (case for drawn in rounds if level < len(drawn) for case in drawn[level])


def _mix(*numbers: int) -> int:
    """One seed of several numbers (a polynomial hash: the same on every machine)."""
    mixed = 17
    for number in numbers:
        mixed = (mixed * 1_000_003 + number) % (2**31 - 1)
    return mixed


def _clip_cases(seed: int, device: str) -> Iterator[Any]:
    from rnncheck.strategies.clip import clip_cases

    for step in range(10**6):
        yield from draw(clip_cases(device=device), 50, _mix(seed, step))[bool(step) :]


def _step_cases(subject: Subject, seed: int, device: str) -> Iterator[Any]:
    from rnncheck.strategies.step import as_offered, step_cases

    reduction: Reduction = "sum" if subject.offers("sum_losses") else "mean"
    for step in range(10**6):
        drawn = draw(step_cases(reduction=reduction, device=device), 50, _mix(seed, step))[bool(step) :]
        yield from (as_offered(case, subject) for case in drawn)


def _pair_cases(subject: Subject, seed: int, device: str) -> Iterator[Any]:
    from rnncheck.strategies.pair import pair_cases

    offered = frozenset(name for name, claim in subject.claims.items() if claim.offered)
    for step in range(10**6):
        yield from draw(pair_cases(offered, device=device), 50, _mix(seed, step))[bool(step) :]
