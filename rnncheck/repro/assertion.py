"""The last lines of a script of calls: an assertion that fails, and that would not with a right layer."""

from collections.abc import Iterator
from math import isfinite

import torch
from torch import Tensor

from rnncheck.core.observation import Comparison, Fact, Observation
from rnncheck.repro.correct_subject import Values, alike
from rnncheck.repro.events import Event
from rnncheck.repro.literal import literal
from rnncheck.repro.places import Origin, allowed_at, anywhere, last_key, numbers_apart, place_text, within_bound, worst_place


def last_lines(
    seen: Observation, raised: BaseException | None, events: list[Event], right: list[Event] | None, wrong_call: int | None,
    same_equations: bool = True, comes_from: Origin = anywhere,
) -> list[str] | None:  # fmt: skip
    """On two numbers, on a shape or dtype, that a wrong call is refused, or on all that came back; None if there is none.

    right:      what a right layer did at the same calls; None where that cannot be had
    wrong_call: the place of the call that a right layer refuses and this one did not
    comes_from: whether a number that is compared is the one at a place
    same_equations: whether the right layer's numbers should be this one's too, and not only agree where this one's should
    """
    if raised is not None:
        return [] if events and events[-1].error is raised else None  # the last call itself ends the script
    wrong = sorted((part for part in seen.parts if part.worst() > 1), key=lambda part: -part.worst())
    refusal = next(filter(asks_for_refusal, wrong), None)
    if isinstance(refusal, Fact):
        return _not_refused(refusal)
    values, good = values_of(events), None if right is None else values_of(right)
    if wrong_call is not None:  # what should not have come out at all is compared with nothing else
        values, good = dict(events[wrong_call].values), None
    for part in wrong:
        found = _nothing(part, events, good)
        if isinstance(part, Comparison):
            found = found or _tensors_apart(part, values, good) or _numbers_apart(part, values, good, comes_from)
        else:
            found = found or _of_a_deed(part, events, right) or _fact(part, values, good)
        if found is not None:
            return found if wrong_call is None else ["if refused is None:", *(f"    {line}" for line in found)]
    if wrong and good is not None and same_equations and (found := _otherwise(wrong[0], values, good)):
        return found
    differs = good is None or any(name in good and not alike(good[name], value) for name, value in values.items())
    return list(_all_that_came_back(wrong[0], values)) if wrong and values and differs else None


def asks_for_refusal(part: Comparison | Fact) -> bool:
    """Whether the last call had to raise."""
    return isinstance(part, Fact) and str(part.expected).startswith("refused")


def values_of(events: list[Event]) -> Values:
    """Every tensor that came out, by its expression in the script."""
    return {expression: value for event in events for expression, value in event.values.items()}


def not_refused(events: list[Event], right: list[Event] | None) -> int | None:
    """The place of the first call that a right layer refuses and this one did not."""
    pairs = enumerate(zip(events, right or (), strict=False))
    return next((place for place, (event, other) in pairs if other.error and not event.error), None)


def _not_refused(part: Fact) -> list[str]:
    """The last call is the one that had to be refused, naming some things."""
    if not str(part.actual).startswith("refused"):
        return [f"assert refused, {f'{part.what}: accepted, but should be {part.expected}'!r}"]
    names = str(part.expected).partition("naming ")[2].split(" and ")
    vague = f"{part.what}: refused, but should be {part.expected}"
    return [f"assert refused is None or {name!r} in refused, {vague!r}" for name in names if name]


def _nothing(part: Comparison | Fact, events: list[Event], right: Values | None) -> list[str] | None:
    """None came out where a tensor should: it was compared as zeros, or is called nothing."""
    facts = [name for event in events for name, value in event.facts.items() if value is None and last_key(name) in part.what]
    name = next((name for name in facts if right is None or name in right), None)
    as_zeros = isinstance(part, Comparison) and not (bool(part.actual.any()) and bool(part.expected.any()))
    if name is None or not (as_zeros or isinstance(part, Fact) and part.actual == "nothing"):
        return None
    return [f"print({part.what!r}, {name})", f"assert {name} is not None, 'None, but should be a tensor'"]


def _tensors_apart(part: Comparison, values: Values, right: Values | None) -> list[str] | None:
    """Both tensors as they came out, all of whose numbers should agree."""
    if isinstance(part.allowed, Tensor) or part.actual.shape != part.expected.shape:
        return None
    whole = [[name for name, value in values.items() if _identical(value, one)] for one in (part.actual, part.expected)]
    pairs = [(left, other) for left in whole[0] for other in whole[1] if left != other]
    for left, other in sorted(pairs, key=lambda pair: last_key(pair[0]) != last_key(pair[1])):
        if right is None or (left in right and other in right and _close(right[left], right[other], part.allowed)):
            close = f"torch.allclose(actual.double(), expected.double(), rtol=0, atol={part.allowed:.3g}, equal_nan=True)"
            return [f"actual, expected = {left}, {other}", _print(part), f"assert {close}, 'allowed {part.allowed:.3g}'"]
    return None


def _identical(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and one.dtype == other.dtype and _close(one, other, 0.0)


def _close(one: Tensor, other: Tensor, allowed: float) -> bool:
    same = one.shape == other.shape
    return same and torch.allclose(one.detach().double(), other.detach().double(), rtol=0, atol=allowed, equal_nan=True)


def _numbers_apart(part: Comparison, values: Values, right: Values | None, comes_from: Origin) -> list[str] | None:
    pair = numbers_apart(part, values, right, comes_from)
    if pair is None:
        return None
    left, other = pair
    at = worst_place(part)
    expected, allowed = part.expected[at], allowed_at(part, at)
    return [
        f"actual = {place_text(left)}.item()",
        f"expected = {place_text(other)}.item()" if other else f"expected = {literal(float(expected))}",
        _print(part),
        within_bound(part, at) if part.bound else f"assert near(actual, expected, {allowed:.3g}), 'allowed {allowed:.3g}'",
    ]


def _print(part: Comparison) -> str:
    """The line that shows both numbers."""
    if part.sides is None:
        return f"print({part.what!r}, actual, 'but should be', expected)"
    return f"print({part.what!r}, actual, {f'{part.sides.actual}, but'!r}, expected, {part.sides.expected!r})"


def _of_a_deed(part: Fact, events: list[Event], right: list[Event] | None) -> list[str] | None:
    """A plain value that a deed returned, which is not what it should be; of several such the one of the part's name."""
    good = None if right is None else {name: value for event in right for name, value in event.facts.items()}
    facts = [(name, value) for event in reversed(events) for name, value in event.facts.items()]
    for name, value in sorted(facts, key=lambda one: last_key(one[0]) not in part.what):
        same = type(value) is type(part.actual) and value == part.actual
        if same and (good is None or (name in good and good[name] == part.expected)):
            return [
                f"actual, expected = {name}, {literal(part.expected)}",
                f"print({part.what!r}, actual, 'but should be', expected)",
                "assert actual == expected, actual",
            ]
    return None


def _fact(part: Fact, values: Values, right: Values | None) -> list[str] | None:
    """A shape or a dtype that is not what it should be, of the last result that has it; or how a sequence is packed."""
    if isinstance(part.actual, dict) and isinstance(part.expected, dict):
        return _packing(part.actual, part.expected, values) or _flags(part)
    for expression, value in reversed(values.items()):
        for attribute, told in (("shape", tuple(value.shape)), ("dtype", value.dtype)):
            if part.actual not in (told, str(told)):
                continue
            if right is not None and str(_attribute(right.get(expression), attribute)) != str(part.expected):
                continue
            wrap = "tuple({})" if attribute == "shape" else "{}"
            wanted = str(part.expected)
            return [
                f"actual = {wrap.format(f'{expression}.{attribute}')}",
                f"assert str(actual) == {wanted!r}, f'{part.what} = {{actual}}, but should be {wanted}'",
            ]
    return None


def _packing(actual: dict[str, object], expected: dict[str, object], values: Values) -> list[str] | None:
    """Where the fields of a PackedSequence, or its type, are not what they should be."""
    wrong = next((name for name, value in expected.items() if actual.get(name) != value), None)
    output = next((name.partition(".")[0] for name in reversed(values) if name.startswith("output")), None)
    if output is None or wrong is None:
        return None
    if wrong == "type":
        return [f"assert type({output}).__name__ == {expected[wrong]!r}, type({output})"]
    if wrong in ("batch_sizes", "sorted_indices", "unsorted_indices"):
        return [
            f"actual = {output}.{wrong}",
            "actual = None if actual is None else actual.tolist()",
            f"assert actual == {expected[wrong]!r}, f'{wrong} = {{actual}}, but should be {expected[wrong]}'",
        ]
    return None


def _flags(part: Fact) -> list[str] | None:
    """Where parameters no longer want a gradient."""
    if not part.what.startswith("requires_grad"):
        return None
    return [
        "frozen = [name for name, p in layer_1.named_parameters() if not p.requires_grad]",
        f"assert not frozen, f'{part.what}: no longer of {{frozen}}'",
    ]


def _attribute(value: Tensor | None, name: str) -> object:
    if value is None:
        return None
    return tuple(value.shape) if name == "shape" else value.dtype


def _otherwise(part: Comparison | Fact, values: Values, right: Values) -> list[str] | None:
    """The number that a right one has otherwise, where what is compared is computed from several results."""
    worst, place = NOTICEABLE, None
    for name, value in values.items():
        good = right.get(name)
        if good is None or good.shape != value.shape or not value.is_floating_point() or not value.numel():
            continue
        off = (value.double() - good.double()).abs().nan_to_num(nan=torch.inf) / good.double().abs().max().clamp(min=1e-30)
        if float(off.max()) > worst:
            worst, place = float(off.max()), (name, torch.unravel_index(off.argmax(), off.shape))
    if place is None:
        return None
    name, at = place
    expected, apart = right[name][at].item(), abs(values[name][at].item() - right[name][at].item())
    allowed = apart / 3 if isfinite(apart) else 1e-3 * max(abs(expected), 1.0)
    return [
        f"# {part.mismatch()}",
        f"actual, expected = {place_text((name, tuple(int(i) for i in at)))}.item(), {literal(expected)}",
        "print(actual, 'but should be', expected)",
        f"assert near(actual, expected, {allowed:.3g}), 'allowed {allowed:.3g}'",
    ]


NOTICEABLE = 1e-3
"""A relative difference that is no rounding."""


def _all_that_came_back(part: Comparison | Fact, values: Values) -> Iterator[str]:
    """What is compared is computed from several results: the rule is broken as long as all of them are as they were."""
    yield f"# {part.mismatch()}"
    yield "# This follows from the results above, and is so as long as they are what they were:"
    yield "still = [same(seen, was) for seen, was in ("
    yield from (f"    ({expression}, {literal(value.clone())})," for expression, value in values.items())
    yield ")]"
    yield f"assert not all(still), {part.mismatch()!r}"
