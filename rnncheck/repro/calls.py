"""A script that makes the calls that the property made, and compares the two numbers that should have agreed."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from rnncheck.adapters.torch_layers import torch_arguments
from rnncheck.case import Case
from rnncheck.observation import Comparison, Fact, Observation, equal
from rnncheck.property import Property
from rnncheck.repro.helpers import helpers
from rnncheck.repro.literal import literal
from rnncheck.repro.record import Event, RecordedTrial, recording
from rnncheck.subject import Layer, Malformed, Subject
from rnncheck.trial import SubjectError, seeded


def calls_made(subject: Subject, prop: Property, case: Any) -> str | None:
    """The script's body, or None where the calls alone do not show it."""
    if not isinstance(case, Case):
        return None
    recorded, events, layers = recording(subject)
    with seeded(case.seed, case.device):
        seen, raised = watch(prop, RecordedTrial(recorded, case))
    if not layers:
        return None
    renamed = {key: name for layer, _ in layers for key, name in _renamed(layer).items()}
    done = [line for number, event in enumerate(events, 1) for line in _lines(number, event, case)]
    last = last_lines(prop, seen, raised, events)
    return (
        helpers(case, renamed, [event.kind for event in events]) + "\n".join([*done, *last, ""])
        if last is not None
        else None
    )


def _renamed(layer: Layer) -> dict[str, str]:
    """torch's parameter names -> the module's own, where they differ."""
    own = {id(p): name for name, p in layer.module.named_parameters()}
    return {key: own[id(p)] for key, p in layer.parameters().items() if own.get(id(p), key) != key}


def watch(prop: Property, trial: Any) -> tuple[Observation, BaseException | None]:
    """What the property sees of a recorded trial, and what the subject raised, if that ended it."""
    try:
        return prop.check(trial), None
    except SubjectError as error:
        return Observation(), error.cause
    except Malformed as error:
        return equal("shape of the result", error.actual, error.expected), None


def _lines(number: int, event: Event, case: Case) -> list[str]:
    """The event as Python."""
    layer = f"layer_{event.layer}"
    if event.kind == "build":
        config, dtype, _ = event.arguments
        options = "".join(f", {key}={value!r}" for key, value in torch_arguments(config).items())
        moved = "" if dtype == torch.float32 else f".to({dtype})"
        return [f"{layer} = build({config.input_size}, {config.hidden_size}{options}){moved}"]
    if event.kind == "load":
        values = ", ".join(f"{name!r}: {literal(value)}" for name, value in event.arguments[0].items())
        return [f"load({layer}, {{{values}}})"]
    if event.kind == "train":
        return [f"{layer}.train({event.arguments[0]})"]
    if event.kind == "gradients":
        given = ", ".join(literal(part) for part in event.arguments)
        return [f"gradients_{number} = gradients({layer}, {given})"]
    x, hx = event.arguments
    given = literal(hx if hx is None or case.config.has_cell else hx[0])
    said = "  # expected to raise" if event.error is not None else ""
    return [f"output_{number}, state_{number} = call({layer}, {literal(x)}, {given}, {event.grad}){said}"]


def last_lines(
    prop: Property, seen: Observation, raised: BaseException | None, events: list[Event]
) -> list[str] | None:
    """The assertion: on two numbers, on a shape or dtype, that a wrong call is refused, or on all that came back."""
    if raised is not None:
        return []
    if prop.family == "reject":
        return [f"raise AssertionError({'; '.join(seen.mismatches())[:300]!r})"]
    values = {expression: value for event in events for expression, value in event.values.items()}
    wrong = sorted((part for part in seen.parts if part.worst() > 1), key=lambda part: -part.worst())
    for part in wrong:
        found = _numbers_apart(part, values) if isinstance(part, Comparison) else _fact(part, values)
        if found is not None:
            return found
    return list(_all_that_came_back(wrong[0], values)) if wrong and values else None


def _numbers_apart(part: Comparison, values: dict[str, Tensor]) -> list[str] | None:
    if part.actual.shape != part.expected.shape or part.actual.dtype == torch.bool or not part.actual.numel():
        return None
    ratios = part.ratios()
    at = torch.unravel_index(ratios.argmax(), ratios.shape)
    actual, expected = part.actual[at], part.expected[at]
    left, right = _place(actual, values.items()), _place(expected, reversed(values.items()))
    if left is None or left == right:
        return None
    allowed = float(torch.as_tensor(part.allowed, dtype=torch.float64).expand(ratios.shape)[at])
    return [
        f"actual = {left}.item()",
        f"expected = {right}.item()" if right else f"expected = {literal(float(expected))}",
        f"print({part.what!r}, actual, 'but should be', expected)",
        f"assert actual == expected or abs(actual - expected) <= {allowed:.3g}, 'allowed {allowed:.3g}'",
    ]


def _place(number: Tensor, values: Iterable[tuple[str, Tensor]]) -> str | None:
    """An expression for the first recorded element that is this very number."""
    for expression, value in values:
        if value.dtype != number.dtype or not value.numel():
            continue
        hits = ((value == number) | (value.isnan() & number.isnan())).nonzero()
        if len(hits):
            index = ", ".join(str(int(i)) for i in hits[0])
            return f"{expression}[{index}]" if index else expression
    return None


def _fact(part: Fact, values: dict[str, Tensor]) -> list[str] | None:
    """A shape or a dtype that is not what it should be."""
    for expression, value in values.items():
        for attribute, told in (("shape", tuple(value.shape)), ("dtype", value.dtype)):
            if part.actual in (told, str(told)):
                wrap = "tuple({})" if attribute == "shape" else "{}"
                wanted = str(part.expected)
                return [
                    f"actual = {wrap.format(f'{expression}.{attribute}')}",
                    f"assert str(actual) == {wanted!r}, f'{part.what} = {{actual}}, but should be {wanted}'",
                ]
    return None


def _all_that_came_back(part: Comparison | Fact, values: dict[str, Tensor]) -> Iterator[str]:
    """What is compared is computed from several results: the rule is broken as long as all of them are as they were."""
    yield f"# {part.mismatch()}"
    yield "# This follows from the results above, and is so as long as they are what they were:"
    yield "still = [same(seen, was) for seen, was in ("
    yield from (f"    ({expression}, {literal(value.clone())})," for expression, value in values.items())
    yield ")]"
    yield f"assert not all(still), {part.mismatch()!r}"
