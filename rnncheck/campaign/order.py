"""In which order the checks of a subject are made: breadth before depth, and what takes seconds after what does not.

Each property on one case that it applies to, cheap ones first; then the first cases with all that is cheap; then each dear
property on one case; then the rest, case by case. Which checks are made is the same in any order, and so is what they find.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import Any

CHEAP, DEAR = 12, 400
"""In runs of the subject: what costs no more than the first comes first; a check of what costs the second may take seconds."""
AHEAD = 32
"""Cases among which a property's first one is looked for before anything is checked; what has none there comes in its turn."""
BLOCK = 4
"""Cases in one job of the rest: small enough for two workers to share evenly, large enough that talking costs nothing."""


@dataclass(frozen=True)
class Checks:
    """The properties that are to be checked on one case, and the case's place in the plan."""

    place: int
    case: Any
    properties: tuple[str, ...]

    def only(self, chosen: Callable[[str], bool]) -> "Checks":
        """Return the same with the chosen properties alone."""
        return Checks(self.place, self.case, tuple(filter(chosen, self.properties)))


def breadth_first(plan: Iterable[Checks], cost: Callable[[str], int], whole: int = 10) -> Iterator[tuple[Checks, ...]]:
    """Yield what to check in blocks, a job each; every check of the plan is in one of them.

    whole: this many cases are done before a dear property is begun

    The last blocks hold what is left of each case, which may be nothing: so each case of the plan counts as begun.

    >>> plan = [Checks(0, "a", ("cheap", "dear")), Checks(1, "b", ("cheap",))]
    >>> [[(one.case, *one.properties) for one in block] for block in breadth_first(plan, {"cheap": 1, "dear": 900}.get)]
    [[('a', 'cheap')], [('b', 'cheap')], [('a', 'dear')], [('a',), ('b',)]]
    """
    coming = iter(plan)
    left = list(islice(coming, AHEAD))
    for wanted in (lambda name: cost(name) <= CHEAP, lambda name: CHEAP < cost(name) < DEAR):
        yield from _taken(left, _firsts(left, wanted))
    yield from _taken(left, {one.place: {n for n in one.properties if cost(n) < DEAR} for one in left[:whole]})
    yield from _taken(left, _firsts(left, lambda name: cost(name) >= DEAR))
    yield from _blocks(chain(left, coming))


def _firsts(left: Sequence[Checks], wanted: Callable[[str], bool]) -> dict[int, set[str]]:
    """The first place of each wanted property: {place: its properties}."""
    found: dict[str, int] = {}
    for one in left:
        for name in filter(wanted, one.properties):
            found.setdefault(name, one.place)
    return {place: {name for name, first in found.items() if first == place} for place in set(found.values())}


def _taken(left: list[Checks], chosen: dict[int, set[str]]) -> Iterator[tuple[Checks, ...]]:
    """Yield these, a case in a block, and take them out of what is left."""
    for i, one in enumerate(list(left)):
        names = chosen.get(one.place, set())
        if names & set(one.properties):
            yield (one.only(names.__contains__),)
            left[i] = one.only(partial(_not_in, names))


def _blocks(rest: Iterable[Checks]) -> Iterator[tuple[Checks, ...]]:
    coming = iter(rest)
    while block := tuple(islice(coming, BLOCK)):
        yield block


def _not_in(taken: set[str], name: str) -> bool:
    return name not in taken
