"""The structural axes of a case, and rows that visit every t-way combination of what a subject claims.

Random drawing leaves holes (100 examples reach 16 to 20 of the 24 combinations of four axes); a covering array does not.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from itertools import combinations, product
from typing import Any

from covertable import make

from rnncheck.backend.switches import offered
from rnncheck.core.case import Case
from rnncheck.core.kinds import PROJECTION, RESET_AFTER, modes_with
from rnncheck.core.subject import Subject

Row = Mapping[str, Any]
FORMS = {"batched": "batched", "unbatched": "unbatched", "sorted": "packed", "unsorted": "packed"}
"""The forms of an input, and the feature that each needs."""
OPTION = "option "
"""Before the name of an axis that is an option of a typed recurrence."""
LAYOUTS = ("contiguous", "transposed", "strided", "offset", "expanded")


def axes(subject: Subject, dtypes: tuple[str, ...], device: str = "cpu") -> dict[str, list[Any]]:
    """What each structural axis can be for this subject, the plainest value first."""

    def switch(name: str, feature: str, off: Any, on: Any) -> list[Any]:
        if subject.fixed is not None:
            return [getattr(subject.fixed, name)] if name != "proj" else [subject.fixed.proj_size > 0]
        return [off, on] if subject.offers(feature) else [off]

    fixed = subject.fixed
    found: dict[str, list[Any]] = {
        "mode": [fixed.mode] if fixed else list(subject.modes),
        "num_layers": [fixed.num_layers] if fixed else [1, 2, 3] if subject.offers("layers") else [1],
        "bidirectional": switch("bidirectional", "bidirectional", False, True),
        "batch_first": _batch_first(subject),
        "bias": switch("bias", "bias_off", True, False),
        "proj": switch("proj", "proj", False, True),
        "dropout": [fixed.dropout > 0] if fixed else [False, True] if subject.offers("dropout") else [False],
        "reset_after": _reset_after(subject),
        "form": [form for form, feature in FORMS.items() if subject.offers(feature)],
        "hx": [hx for hx, feature in (("random", "hx"), ("none", "hx_none"), ("zeros", "hx")) if subject.offers(feature)],
        "dtype": [dtype for dtype in dtypes if subject.offers(dtype)],
        "layout": list(LAYOUTS),
        "training": [False, True] if subject.offers("training") else [False],
        "device": [device],
        "switches": [(), *((switch,) for switch in offered(device))],
        **{OPTION + name: list(values) for name, values in subject.choices.items()},
    }
    return {name: [subject.nature[name]] if name in subject.nature else values for name, values in found.items()}


def _batch_first(subject: Subject) -> list[bool]:
    if subject.fixed is not None:
        return [subject.fixed.batch_first]
    offered = [value for value, feature in ((False, "time_first"), (True, "batch_first")) if subject.offers(feature)]
    return offered or [False]


def _reset_after(subject: Subject) -> list[bool]:
    if subject.fixed is not None:
        return [subject.fixed.reset_after]
    offered = [value for value, feature in ((True, "reset_after"), (False, "reset_before")) if subject.offers(feature)]
    return offered or [True]


def _either(*conditions: dict[str, Any]) -> dict[str, Any]:
    return {"operator": "or", "conditions": list(conditions)}


def _is(axis: str, value: Any) -> dict[str, Any]:
    return {"operator": "eq", "left": axis, "value": value}


CONSTRAINTS = (
    _either(_is("proj", False), *(_is("mode", mode) for mode in modes_with(PROJECTION))),
    _either(_is("reset_after", True), *(_is("mode", mode) for mode in modes_with(RESET_AFTER))),
    _either(_is("dropout", False), {"operator": "ne", "left": "num_layers", "value": 1}),  # dropout acts between layers
)


def rows(subject: Subject, dtypes: tuple[str, ...], strength: int = 3, device: str = "cpu") -> list[dict[str, Any]]:
    """Rows, one value an axis, in which every possible combination of ``strength`` axes occurs at least once."""
    domain = axes(subject, dtypes, device)
    frozen = tuple((axis, tuple(values)) for axis, values in domain.items())
    return [dict(row) for row in _covering(frozen, strength)] if all(domain.values()) else []


@lru_cache(maxsize=256)  # a campaign asks for the same rows twice, and finding them takes half a second
def _covering(frozen: tuple[tuple[str, tuple[Any, ...]], ...], strength: int) -> list[dict[str, Any]]:
    domain = {axis: list(values) for axis, values in frozen}
    free = {axis: values for axis, values in domain.items() if len(values) > 1}
    settled = {axis: values[0] for axis, values in domain.items() if len(values) == 1}
    if len(free) < strength:
        return [row for row in _full(domain) if _allowed(row)]
    found = make(free, strength=strength, constraints=[_settle(c, settled) for c in CONSTRAINTS])
    return [{**settled, **row} for row in found]


def _settle(constraint: dict[str, Any], settled: Row) -> dict[str, Any]:
    """The constraint with the axes that have one value only replaced by what they say."""
    conditions = [c for c in constraint["conditions"] if c["left"] not in settled]
    decided = [_holds(c, settled) for c in constraint["conditions"] if c["left"] in settled]
    if any(decided) or not conditions:
        return {"operator": "fn", "requires": [], "evaluate": lambda row: True}
    return _either(*conditions)


def _holds(condition: dict[str, Any], row: Row) -> bool:
    same = row[condition["left"]] == condition["value"]
    return same if condition["operator"] == "eq" else not same


def _allowed(row: Row) -> bool:
    return all(any(_holds(c, row) for c in constraint["conditions"]) for constraint in CONSTRAINTS)


def _full(domain: Mapping[str, list[Any]]) -> Iterable[dict[str, Any]]:
    return (dict(zip(domain, values, strict=True)) for values in product(*domain.values()))


def row_of(case: Case) -> dict[str, Any]:
    """The structural values of a case: the inverse of drawing one from a row."""
    config = case.config
    form = "unbatched" if case.batch is None else "batched"
    if case.lengths is not None:
        form = "sorted" if case.sorted_lengths else "unsorted"
    return {
        "mode": config.mode, "num_layers": config.num_layers, "bidirectional": config.bidirectional,
        "batch_first": config.batch_first, "bias": config.bias, "proj": config.proj_size > 0,
        "dropout": config.dropout > 0, "reset_after": config.reset_after, "form": form, "hx": case.hx,
        "dtype": case.dtype, "layout": case.layout, "training": case.training, "device": case.device,
        "switches": case.switches,
        **{OPTION + name: value for name, value in (config.named.options if config.named else ())},
    }  # fmt: skip


Choice = tuple[str, Any]
"""An axis and one of its values."""
Combination = tuple[Choice, ...]


def combinations_of(row: Row, strength: int) -> set[Combination]:
    """Every combination of ``strength`` axes that this row visits."""
    return set(combinations([_choice(axis, row[axis]) for axis in sorted(row)], strength))


@cache
def _choice(axis: str, value: Any) -> Choice:
    """One object for each choice: combinations of the same objects are compared much faster."""
    return axis, value


@dataclass
class Ledger:
    """Counts which combinations were really run and judged, against those that the claims promise."""

    strength: int
    promised: set[Combination]
    covered: set[Combination] = field(default_factory=set)

    @classmethod
    def over(cls, rows: Iterable[Row], strength: int) -> "Ledger":
        """A ledger that promises every combination that occurs in these rows."""
        return cls(strength, set().union(*(combinations_of(row, strength) for row in rows)))

    def visit(self, case: Case) -> None:
        """Enter a case that was run and judged."""
        self.covered |= combinations_of(row_of(case), self.strength) & self.promised

    def pairs(self) -> dict[tuple[Choice, Choice], tuple[int, int]]:
        """For every two choices that occur together: how many combinations with both are covered, and how many are promised."""
        covered = Counter(pair for combination in self.covered for pair in combinations(combination, 2))
        promised = Counter(pair for combination in self.promised for pair in combinations(combination, 2))
        return {pair: (covered[pair], number) for pair, number in promised.items()}

    def to_json(self) -> dict[str, int]:
        """``{strength, combinations, covered}``."""
        return {"strength": self.strength, "combinations": len(self.promised), "covered": len(self.covered)}
