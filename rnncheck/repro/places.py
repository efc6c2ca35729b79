"""Where two numbers that should agree are among the results of what a property did."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from rnncheck.core.observation import Comparison
from rnncheck.repro.correct_subject import Values, near

Place = tuple[str, tuple[int, ...]]
"""An expression, and where in it."""


def within_bound(part: Comparison, at: tuple[Tensor, ...]) -> str:
    """Return the line that says that ``actual`` is not beyond ``expected``, the end of an interval."""
    low, allowed = bool(part.actual[at] < part.expected[at]), allowed_at(part, at)
    far = f" {'-' if low else '+'} {allowed:.3g}" if allowed else ""
    sign, told = (">=", "at least") if low else ("<=", "at most")
    return f"assert actual {sign} expected{far}, 'should be {told} {float(part.expected[at])}'"


def numbers_apart(part: Comparison, values: Values, right: Values | None) -> tuple[Place, Place | None] | None:
    """Where the two numbers that are farthest apart are among the results; the second None where it is a constant."""
    if part.actual.shape != part.expected.shape or part.actual.dtype == torch.bool or not part.actual.numel():
        return None
    at, named = worst_place(part), sorted(values.items(), key=lambda value: last_key(value[0]) not in part.what)
    if part.bound:
        inside = (place for place in _places(part.actual[at], named) if right is None or _inside(part, at, _value(place, right)))
        return next(((place, None) for place in inside), None)
    return _pair(part.actual[at], part.expected[at], allowed_at(part, at), dict(named), right)


def worst_place(part: Comparison) -> tuple[Tensor, ...]:
    """Return where the two numbers are that are farthest apart, as used of what is allowed."""
    ratios = part.ratios()
    return torch.unravel_index(ratios.argmax(), ratios.shape)


def allowed_at(part: Comparison, at: tuple[Tensor, ...]) -> float:
    """Return how far apart they may be there."""
    return float(torch.as_tensor(part.allowed, dtype=torch.float64).expand(part.actual.shape)[at])


def _pair(
    actual: Tensor, expected: Tensor, allowed: float, values: Values, right: Values | None
) -> tuple[Place, Place | None] | None:
    """Where these two numbers are among the results; the second None where it is none of them but a constant."""
    first = last_key(next(iter(values), ""))
    last_first = list(reversed(values.items()))
    others = sorted(last_first, key=lambda value: last_key(value[0]) != first)
    for left in _places(actual, values.items()):
        for other in (*_places(expected, others), None):
            if left != other and (right is None or _agree(left, other, float(expected), allowed, right)):
                return left, other
    return None


def _agree(left: Place, other: Place | None, expected: float, allowed: float, right: Values) -> bool:
    """Whether a right layer has the same number in both places."""
    one, second = (None if place is None else _value(place, right) for place in (left, other))
    if one is None or (other is not None and second is None):
        return False
    return near(one, expected if second is None else second, allowed)


def _inside(part: Comparison, at: tuple[Tensor, ...], value: Tensor | None) -> bool:
    """Whether a number is on the right side of the end that this one is beyond."""
    if value is None:
        return False
    low, far = bool(part.actual[at] < part.expected[at]), float(value) - float(part.expected[at])
    return far >= -allowed_at(part, at) if low else far <= allowed_at(part, at)


def _value(place: Place, values: Values) -> Tensor | None:
    expression, index = place
    found = values.get(expression)
    inside = found is not None and len(index) == found.dim() and all(i < n for i, n in zip(index, found.shape, strict=True))
    return found[index] if found is not None and inside else None


def _places(number: Tensor, values: Iterable[tuple[str, Tensor]]) -> Iterator[Place]:
    """Where this very number is: in each result at most once."""
    for expression, value in values:
        if value.dtype == number.dtype and value.numel():
            hits = ((value == number) | (value.isnan() & number.isnan())).nonzero()
            yield from ((expression, tuple(hit)) for hit in hits[:1].tolist())


def place_text(place: Place) -> str:
    """Return the Python that takes the number out."""
    expression, index = place
    return f"{expression}[{', '.join(map(str, index))}]" if index else expression


def last_key(expression: str) -> str:
    """Return the last key of an expression, without its quotes."""
    return expression.rpartition("[")[2].strip("]'\"")
