"""In which order a subject's cases are visited: every structural row once, then the odd ones, then depth."""

from collections.abc import Iterator
from typing import Any

from rnncheck.case import Case
from rnncheck.falsify import draw
from rnncheck.strategies.cases import cases, degenerate_sizes
from rnncheck.strategies.structure import rows
from rnncheck.subject import Subject

DRAWN_AT_ONCE = 6
"""How many cases of a row are drawn in one go: Hypothesis' set-up is paid once for all of them."""


def plan(subject: Subject, dtypes: tuple[str, ...], strength: int, seed: int, device: str = "cpu") -> Iterator[Any]:
    """Cases without end: all rows with their simplest draw, all rows with degenerate sizes, all rows at random, …"""
    if subject.kind == "clip":
        yield from _clip_cases(seed)
        return
    structure = rows(subject, dtypes, strength, device)
    yield from (draw(cases(row, subject), 1, seed)[0] for row in structure)
    for step in range(10**6 if structure else 0):
        yield from _round(structure, subject, seed, step)


def _round(structure: list[dict[str, Any]], subject: Subject, seed: int, step: int) -> Iterator[Case]:
    """Two rounds over the rows: one of degenerate sizes, and DRAWN_AT_ONCE - 1 of generic ones."""
    odd = [draw(cases(row, subject, size=degenerate_sizes()), 2, _mix(seed, step, i, 1)) for i, row in enumerate(structure)]
    yield from (drawn[-1] for drawn in odd)
    deep = [draw(cases(row, subject), DRAWN_AT_ONCE, _mix(seed, step, i, 2)) for i, row in enumerate(structure)]
    for depth in range(1, DRAWN_AT_ONCE):
        yield from (drawn[depth] for drawn in deep if depth < len(drawn))


def _mix(*numbers: int) -> int:
    """One seed of several numbers (a polynomial hash: the same on every machine)."""
    mixed = 17
    for number in numbers:
        mixed = (mixed * 1_000_003 + number) % (2**31 - 1)
    return mixed


def _clip_cases(seed: int) -> Iterator[Any]:
    from rnncheck.strategies.clip import clip_cases

    for step in range(10**6):
        yield from draw(clip_cases(), 50, _mix(seed, step))[bool(step) :]
