"""A failure of a typed function as calls of that very function, with named tensors, and the two numbers that should agree."""

import textwrap
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from rnncheck.adapters.typed import TypedBuild
from rnncheck.core.case import Case
from rnncheck.core.mismatch_text import digits, number
from rnncheck.core.named import Named
from rnncheck.core.observation import Comparison
from rnncheck.core.property import Property
from rnncheck.core.subject import Subject
from rnncheck.reading.typed.values import reversed_in_time
from rnncheck.reading.typed.wrapper import Arguments, is_backward
from rnncheck.repro.brief_layer import value_text
from rnncheck.repro.cached_calls import cached_calls, index_of, path_text
from rnncheck.repro.calls import recorded
from rnncheck.repro.events import Event
from rnncheck.repro.literal import literal
from rnncheck.repro.places import allowed_at, within_bound, worst_place

WIDTH = 88
"""Characters of a line of a call."""
TOLD = 88
"""Characters of an exception that stand under a call."""
Place = tuple[Event, str]
"""A call, and the Python that takes one number out of its result."""


def named_script(subject: Subject, prop: Property, case: Any) -> str | None:
    """Return the script's body, or None where calls of the function alone do not show the failure."""
    cached = cached_calls(subject, prop, case, literal, whole=True)
    if cached is not None:
        return "\n".join([*cached.lines, *([] if cached.part is None else _last(cached.part, cached.actual, cached.expected)), ""])
    ended = _raising(subject, prop, case)
    if ended is not None:
        return "\n".join([*_call(ended[0], case, ended[1], "", literal), ""])
    found = _pair(subject, prop, case)
    if found is None:
        return None
    build, part, (left, other), made = found
    calls = _once([*_before(left[0], made), left[0], *([*_before(other[0], made), other[0]] if other else [])])
    lines: list[str] = []
    for place, event in enumerate(calls, 1):
        last = next(reversed(_before(event, made)), None)
        source = next((earlier for earlier, one in enumerate(calls, 1) if one is last), None)
        lines += _call(build, case, event, f"_{place}" if len(calls) > 1 else "", literal, source)
    return "\n".join([*lines, *_last(part, _text(left, calls), _text(other, calls) if other else None), ""])


def _last(part: Comparison, actual: str, expected: str | None) -> list[str]:
    """The lines that compare the two numbers; expected: None where it is a constant."""
    at = worst_place(part)
    allowed = allowed_at(part, at)
    told = part.what if part.sides is None else f"{part.what}: {part.sides.actual}, then {part.sides.expected}:"
    near = f"abs(actual - expected) <= {allowed:.3g}"
    return [
        f"actual = {actual}.item()",
        f"expected = {f'{expected}.item()' if expected else literal(float(part.expected[at]))}",
        f"print({told!r}, actual, expected)",
        within_bound(part, at) if part.bound else f"assert actual == expected or {near}, 'allowed {allowed:.3g}'",
    ]


def named_brief(subject: Subject, prop: Property, case: Any) -> list[str] | None:
    """Return the same as a few lines to read, None where there is no such pair of numbers."""
    cached = cached_calls(subject, prop, case, value_text, whole=False)
    if cached is not None:
        told = [] if cached.part is None else [_differing(cached.part, cached.actual, cached.expected)]
        return [*cached.lines, *told, *([] if cached.raised is None else [_short(cached.raised)])]
    ended = _raising(subject, prop, case)
    if ended is not None:
        return [*_call(ended[0], case, ended[1], "", value_text), _short(ended[2])]
    found = _pair(subject, prop, case)
    if found is None:
        return None
    build, part, (left, other), _ = found
    calls = _once([left[0], *([other[0]] if other else [])])
    suffixes = [f"_{place}" if len(calls) > 1 else "" for place in range(1, len(calls) + 1)]
    lines = [line for event, suffix in zip(calls, suffixes, strict=True) for line in _call(build, case, event, suffix, value_text)]
    return [*lines, _differing(part, _text(left, calls), _text(other, calls) if other else None)]


def _differing(part: Comparison, left: str, other: str | None) -> str:
    """The two numbers in a line; other: None where the second is a constant."""
    at = worst_place(part)
    actual, expected = float(part.actual[at]), float(part.expected[at])
    shown = digits(actual, expected)
    bound = "at least" if actual < expected else "at most"
    told = f"but {other} is" if other else f"should be {bound}" if part.bound else "expected"
    return f"{left}  # {number(actual, shown)}, {told} {number(expected, shown)}"


def _short(raised: BaseException) -> str:
    """What a call raised, in a line."""
    message = " ".join(f"raises {type(raised).__name__}: {raised}".split())
    return f"# {message}" if len(message) < TOLD else f"# {message[: TOLD - 3]}..."


def _raising(subject: Subject, prop: Property, case: Any) -> tuple[TypedBuild, Event, BaseException] | None:
    """The call that raised what ended the check, with what it raised."""
    build = subject.build
    if not isinstance(case, Case) or not isinstance(build, TypedBuild) or not build.is_plain_function:
        return None
    made = recorded(subject, prop, case)
    event = next((event for event in made.events if made.raised is not None and event.error is made.raised), None)
    plain = event is not None and event.kind == "call" and len(event.arguments) == 2 and not event.around
    if event is None or not plain or not isinstance(event.arguments[0], Tensor):
        return None
    assert made.raised is not None
    return build, event, made.raised


def _once(events: list[Event]) -> list[Event]:
    """Each of these very events once."""
    return [event for place, event in enumerate(events) if not any(event is other for other in events[:place])]


def _before(event: Event, made: list[Event]) -> list[Event]:
    """The calls whose final states went into one another, and the last one's into this call, the first one first."""
    state, earlier = event.arguments[1], made[: next(place for place, one in enumerate(made) if one is event)]
    for one in reversed(earlier if state is not None and bool(state[0].any()) else []):
        final = next((value for name, value in one.values.items() if name.startswith("state")), None)
        if final is not None and final.shape == state[0].shape and torch.equal(final, state[0]):
            return [*_before(one, made), one]
    return []


Found = tuple[TypedBuild, Comparison, tuple[Place, Place | None], list[Event]]
"""What was built, the comparison, where its two numbers are among the results, and all calls that were made."""


def _pair(subject: Subject, prop: Property, case: Any) -> Found | None:
    build = subject.build
    if not isinstance(case, Case) or not isinstance(build, TypedBuild) or not build.is_plain_function:
        return None
    made = recorded(subject, prop, case)
    if made.raised is not None:
        return None
    calls = [event for event in made.events if event.kind == "call"]
    plain = all(len(event.arguments) == 2 and not event.around and isinstance(event.arguments[0], Tensor) for event in calls)
    for part in sorted(made.seen.parts, key=lambda part: -part.worst()) if plain else ():
        if isinstance(part, Comparison) and part.worst() > 1 and part.actual.dtype.is_floating_point:
            for left in _places(build, case, calls, part, part.actual):
                others = (place for place in _places(build, case, calls, part, part.expected) if place[0] is not left[0])
                return build, part, (left, None if part.bound else next(others, None)), calls
    return None


def _places(build: TypedBuild, case: Case, calls: list[Event], part: Comparison, numbers: Tensor) -> Iterator[Place]:
    """The places in the results of the last calls that have the number that is worst, in the same sequence and feature."""
    at = worst_place(part)
    kind = "output" if "output" in part.what else "state"
    backward = kind == "output" and is_backward(build.roles.for_wrapper(), _named(case).arguments)
    for event in reversed(calls):
        for expression, value in event.values.items():
            same = expression.startswith(kind) and value.dim() == len(at) == 3 and value.dtype == numbers.dtype
            for step in reversed(range(len(value))) if same else ():
                row, feature = int(at[1]), int(at[2])
                if row < value.shape[1] and feature < value.shape[2] and value[step, row, feature] == numbers[at]:
                    own = len(value) - 1 - step if backward else step
                    yield event, _element(build, case, kind, (own, row, feature))


def _element(build: TypedBuild, case: Case, kind: str, at: tuple[int, int, int]) -> str:
    """Where a number of the flattened output or state is in the function's own result."""
    named, roles, (step, row, feature) = _named(case), build.roles, at
    pairs = roles.outputs if kind == "output" else roles.finals or ()
    for tensor, (path, leaf) in zip(named.outputs if kind == "output" else named.states, pairs, strict=True):
        size = named.features(tensor)
        if feature < size:
            known = {roles.time: step, roles.batch: row, roles.rows: row}
            return f"{path_text(path)}[{', '.join(map(str, index_of(named, leaf.axes, known, feature)))}]"
        feature -= size
    raise IndexError(feature)


def _named(case: Case) -> Named:
    assert case.config.named is not None
    return case.config.named


def _call(build: TypedBuild, case: Case, event: Event, suffix: str, text: Any, source: int | None = None) -> list[str]:
    """The lines of one call, its arguments a line each; source: the number of the call whose states it is given."""
    roles, sizes = build.roles.for_wrapper(), _named(case).arguments
    x, hx = event.arguments
    given = x if x.dim() == 3 else x.unsqueeze(1)
    given = reversed_in_time(given) if is_backward(roles, sizes) else given
    state = hx if hx is None or x.dim() == 3 else (hx[0].unsqueeze(1),)
    taken = Arguments(roles, sizes, given)
    tensors = {**taken.sequences(given), **taken.states(None if state is None else state[0])}
    options = {name: sizes[size] for name, size in roles["options"]}
    tensors = {name: value.clone() if value.is_contiguous() else value for name, value in tensors.items()}
    texts = {name: text(value) for name, value in tensors.items()}
    if source is not None and roles["finals"] is not None:
        paths = zip((name for name, _ in roles["state"]), roles["finals"], strict=True)
        texts |= {name: f"result_{source}{path_text(path)}" for name, path in paths if path is not None and name in tensors}
    lines = [f"{name}{suffix} = {value}" for name, value in texts.items()]
    arguments = [f"{name}={name}{suffix}" for name in tensors] + [f"{name}={value!r}" for name, value in options.items()]
    call = f"result{suffix} = {build.target.expression}({', '.join(arguments)})"
    return [*lines, *textwrap.wrap(call, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)]


def _text(place: Place, calls: list[Event]) -> str:
    event, element = place
    number = next(number for number, one in enumerate(calls, 1) if one is event)
    return f"result{f'_{number}' if len(calls) > 1 else ''}{element}"
