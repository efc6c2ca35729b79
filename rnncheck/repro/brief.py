"""A failure as a few lines of Python to read and to paste: the layer, its parameters, the call, and what came of it.

Shorter than a script: it shows one number, says beside it what was expected, and leaves out what a reader can see.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from rnncheck.core.case import Case
from rnncheck.core.mismatch_text import digits, number
from rnncheck.core.observation import Comparison
from rnncheck.core.property import Property
from rnncheck.core.subject import Malformed, NotClaimed, Subject
from rnncheck.reading.adapter.adapted import Adapted
from rnncheck.repro.assertion import not_refused, values_of
from rnncheck.repro.brief_layer import Brief, layer_lines, value_text
from rnncheck.repro.calls import DEAREST, Recorded, recorded, right_events
from rnncheck.repro.events import Event
from rnncheck.repro.literal import NoLiteral
from rnncheck.repro.named_calls import named_brief
from rnncheck.repro.own_call import OwnCall, adapter_of, own_call
from rnncheck.repro.places import numbers_apart
from rnncheck.running.trial import SubjectError, Trial, Unmeasurable

MOST_LINES = 12
MOST_NAMED = 18
"""Lines where each argument of a function has one."""
COLUMNS = 96
"""A failure that takes more lines, or longer ones, is one for a script."""
LONGEST_CALL = 60
"""Characters; the arguments of a longer call get a line each."""
MOST_CALLS = 4
Place = tuple[str, tuple[int, ...]]


def brief_calls(subject: Subject, prop: Property, case: Any) -> str | None:
    """Return the lines that show the failure, or None where it cannot be shown in a few."""
    if not isinstance(case, Case) or getattr(subject.build, "is_cell", False):
        return None
    subject = subject.claiming(case)
    for write in (named_brief,) if subject.named is not None else (_own_run, _calls_of_the_property):
        try:
            lines = write(subject, prop, case)
        except (NoLiteral, SubjectError, Malformed, NotClaimed, Unmeasurable):
            continue
        most = MOST_NAMED if write is named_brief else MOST_LINES
        if lines and len(lines) <= most and all(len(line) <= COLUMNS for line in lines):
            return "\n".join(lines)
    return None


def _own_run(subject: Subject, prop: Property, case: Case) -> list[str] | None:
    """Return the case's own call, where it is not what the equations say."""
    if not subject.offers("load") or case.dropout_active:
        return None
    trial = Trial(subject, case)
    ratios = dict(trial.budget.ratios(trial.run).parts())
    worst = max((name for name in ratios if ratios[name].numel()), key=lambda name: float(ratios[name].max()), default=None)
    if worst is None or float(ratios[worst].max()) <= 1.0:
        return None
    at = _first_worst(ratios[worst])
    actual, expected = getattr(trial.run, worst)[at].item(), getattr(trial.budget.truth, worst)[at].item()
    brief = Brief(trial.build(), subject, case)
    arguments = trial.lay_out(trial.x, trial.state)
    brief.layer.load(trial.parameters)
    brief.layer.train(case.training)
    head = layer_lines(brief, trial.config, trial.parameters)
    expression, index = _expression(brief, worst, at, packed=isinstance(arguments[0], PackedSequence))
    part = worst if worst == "output" else ("h_n", "c_n").index(worst)
    shown = _in_own_result(brief, arguments, part, index) or expression
    return [*head, *_call(brief, arguments, ""), _shown(shown, actual, expected)]


def _first_worst(ratios: Tensor) -> tuple[int, ...]:
    """Return the first place of those that are as far off as the worst, by a factor of two."""
    far = (ratios.flatten() >= ratios.max() / 2).nonzero()[0, 0]
    return tuple(int(i) for i in torch.unravel_index(far, ratios.shape))


def _expression(brief: Brief, part: str, at: tuple[int, ...], *, packed: bool) -> tuple[str, tuple[int, ...]]:
    """Return where a number (time, batch, feature) or (layer, batch, feature) is in what comes back, as Python and as an index."""
    first, row, feature = at
    unbatched, turned = brief.case.batch is None, brief.case.config.batch_first and part == "output" and not packed
    index = [first] if unbatched else [row, first] if turned else [first, row]
    index = index[1:] if part != "output" and brief.subject.flat_states else index
    return f"{part}[{', '.join(map(str, [*index, feature]))}]", (*index, feature)


def _own_name(own: OwnCall) -> str:
    return "output" if own.returns_tensor else "result"


def _in_own_result(brief: Brief, arguments: tuple[Any, Any], part: Any, at: tuple[int, ...], suffix: str = "") -> str | None:
    """Return where a number of "output", h_n (0) or c_n (1) is in the result of a layer that is called in its own way."""
    adapter = adapter_of(brief.layer)
    if adapter is None:
        return None
    x, hx = arguments
    own = own_call(adapter, x, brief.case.config.as_hx(hx) if hx is not None else None)
    return f"{_own_name(own)}{suffix}{own.expression(part, at)}"


def _begun_anew(adapter: Adapted, x: Tensor) -> list[str]:
    """Return the call that makes a layer forget its state, if there is one; raises NoLiteral where an attribute is set for that."""
    if adapter.first:
        raise NoLiteral("a state that is kept in an attribute")
    if adapter.how["reset"] is None:
        return []
    name, sizes = adapter.forgets(x)
    return [f"layer.{name}({', '.join(map(str, sizes))})"]


def _shown(expression: str, actual: float | bool, expected: float | bool) -> str:
    shown = digits(actual, expected)
    return f"{expression}  # {number(actual, shown)}, expected {number(expected, shown)}"


def _call(brief: Brief, arguments: tuple[Any, Any], suffix: str, note: str = "") -> list[str]:
    """Return the call with literal arguments, its results named output, h_n and c_n, or with a number behind.

    A layer that is called in its own way is called so, and what it returns is one result.
    """
    x, hx = arguments
    adapter = adapter_of(brief.layer)
    if adapter is not None:
        own = own_call(adapter, x, brief.case.config.as_hx(hx) if hx is not None else None)
        texts = [*map(value_text, own.given), *(f"{name}={value_text(value)}" for name, value in own.named.items())]
        call = f"layer({', '.join(texts)})"
        return [*_begun_anew(adapter, x), f"{call}  # {note}" if note else f"{_own_name(own)}{suffix} = {call}"]
    given = [value_text(x), *([] if hx is None else [value_text(brief.case.config.as_hx(hx))])]
    names = f"output{suffix}, (h_n{suffix}, c_n{suffix})" if brief.case.config.takes_tuple else f"output{suffix}, h_n{suffix}"
    before, call = [], f"layer({', '.join(given)})"
    if len(call) > LONGEST_CALL:
        before = [f"{name} = {value}" for name, value in zip(("x", "hx"), given, strict=False)]
        call = f"layer({', '.join(('x', 'hx')[: len(given)])})"
    if note:
        return [*before, f"{call}  # {note}"]
    unpack = [f"output{suffix}, _ = torch.nn.utils.rnn.pad_packed_sequence(output{suffix})"]
    return [*before, f"{names} = {call}", *(unpack if isinstance(x, PackedSequence) else [])]


# what the property did ------------------------------------------------------------------------------------------------


def _calls_of_the_property(subject: Subject, prop: Property, case: Case) -> list[str] | None:
    """Return the one call that went wrong, or those whose results do not agree."""
    if prop.cost > DEAREST:
        return None
    made = recorded(subject, prop, case)
    if made.raised is not None:
        return _raising(subject, case, made)
    right = right_events(subject, prop, case, made) if subject.offers("equations") else None
    accepted = not_refused(made.events, right)
    if accepted is not None:
        return _one_call(subject, case, made, accepted, "accepted, should be refused")
    return _wrong_call(subject, case, made, right) or _apart(subject, case, made, right)


def _raising(subject: Subject, case: Case, made: Recorded) -> list[str] | None:
    place = next((place for place, event in enumerate(made.events) if event.error is made.raised), None)
    told = " ".join(f"raises {type(made.raised).__name__}: {made.raised}".split())
    return None if place is None else _one_call(subject, case, made, place, told if len(told) < 60 else f"{told[:57]}...")


def _one_call(subject: Subject, case: Case, made: Recorded, place: int, note: str) -> list[str] | None:
    """Return the layer as it was, and this call of it with a note beside it."""
    event = made.events[place]
    if event.kind != "call" or len(event.arguments) != 2:
        return None
    brief, head = _layer_of(subject, case, made, event)
    return [*head, *_call(brief, event.arguments, "", note)]


def _layer_of(subject: Subject, case: Case, made: Recorded, event: Event) -> tuple[Brief, list[str]]:
    """Return the lines that build and load the layer that was called."""
    own = [other for other in made.events if other.layer == event.layer]
    config, dtype, device = next(other for other in own if other.kind == "build").arguments
    loaded: Mapping[str, Tensor] = next((other.arguments[0] for other in own if other.kind == "load"), {})
    brief = Brief(subject.build(config, dtype, device), subject, case)
    return brief, layer_lines(brief, config, loaded)


def _wrong_call(subject: Subject, case: Case, made: Recorded, right: list[Event] | None) -> list[str] | None:
    """Return the call whose result differs most from a right layer's, alone or after those that came before it."""
    if right is None:
        return None
    found = list(_differences(made.events, right))
    largest = max((error for error, *_ in found), default=0.0)
    seen = [one for one in found if one[0] >= 1e-3 * (1 + abs(one[4]))]  # rounding is not what is to be seen
    for error, event, expression, at, expected in seen:
        if error >= largest / 2 and (lines := _shown_by(subject, case, made, [event], expression, at, expected)):
            return lines
    for _, event, expression, at, expected in seen[:1]:
        before = [one for one in made.events if one.kind == "call" and one.layer == event.layer]
        needed = before[: _place(before, event) + 1]
        if len(needed) <= MOST_CALLS:
            return _shown_by(subject, case, made, needed, expression, at, expected)
    return None


def _shown_by(subject: Subject, case: Case, made: Recorded, calls: list[Event], expression: str, at: tuple[int, ...],
              expected: float) -> list[str] | None:  # fmt: skip
    """Return the lines of these calls and the number that the last gives; None where they do not give it by themselves."""
    brief, head = _layer_of(subject, case, made, calls[-1])
    if not _give(brief, made, calls, expression, at):
        return None
    place = _in_own_result(brief, calls[-1].arguments, _part(expression), at)
    place = place or f"{_result_name(expression, '')}[{', '.join(map(str, at))}]"
    shown = _shown(place, calls[-1].values[expression][at].item(), expected)
    return [*head, *(line for event in calls for line in _call(brief, event.arguments, "")), shown]


def _place(events: list[Event], event: Event) -> int:
    """Return where this very event is: events hold tensors, which == does not compare."""
    return next(place for place, one in enumerate(events) if one is event)


def _differences(events: list[Event], right: list[Event]) -> Iterator[tuple[float, Event, str, tuple[int, ...], float]]:
    """Yield for each result (how far off, the call, its expression, where, what is right)."""
    for event, other in zip(events, right, strict=False):
        plain = event.kind == "call" and len(event.arguments) == 2 and isinstance(event.arguments[0], Tensor)
        for expression, value in event.values.items() if plain else ():
            expected = other.values.get(expression)
            if expected is None or expected.shape != value.shape or not value.numel() or not value.is_floating_point():
                continue
            error = (value.double() - expected.double()).abs().nan_to_num(nan=torch.inf)
            at = _first_worst(error) if float(error.max()) > 0 else (0,) * error.dim()
            yield float(error[at]), event, expression, at, expected[at].item()


def _give(brief: Brief, made: Recorded, calls: list[Event], expression: str, at: tuple[int, ...]) -> bool:
    """Return whether a new layer, called in this way alone, gives the same number."""
    loaded = next((e.arguments[0] for e in made.events if e.layer == calls[-1].layer and e.kind == "load"), None)
    if loaded is not None:
        brief.layer.load(loaded)
    brief.layer.train(brief.case.training)
    try:
        for event in calls:
            output, state = brief.layer(*event.arguments)
    except Exception:  # only as a part of all that the property does
        return False
    value = output if expression.startswith("output") else state[int(expression[-2])]
    wanted = calls[-1].values[expression][at].item()
    seen = isinstance(value, Tensor) and value.dim() == len(at) and value[at].item() == wanted
    return seen and (loaded is not None or brief.own_start)


def _part(expression: str) -> Any:
    """Return which of torch's results ``output_3``, ``state_3[0]`` or ``state_3[1]`` is: "output", 0 or 1."""
    return "output" if expression.startswith("output") else int(expression[-2])


def _result_name(expression: str, suffix: str) -> str:
    """Return how ``output_3``, ``state_3[0]`` or ``state_3[1]`` is called here."""
    return f"output{suffix}" if expression.startswith("output") else f"{('h_n', 'c_n')[int(expression[-2])]}{suffix}"


def _apart(subject: Subject, case: Case, made: Recorded, right: list[Event] | None) -> list[str] | None:
    """Return the calls of one layer, and two numbers in their results that should be the same."""
    calls = [event for event in made.events if event.kind == "call"]
    plain = all(len(event.arguments) == 2 and isinstance(event.arguments[0], Tensor) and not event.error for event in calls)
    if not plain or not 1 < len(calls) <= MOST_CALLS or len({event.layer for event in calls}) > 1:
        return None
    values, good = values_of(made.events), None if right is None else values_of(right)
    for part in sorted(made.seen.parts, key=lambda part: -part.worst()):
        pair = numbers_apart(part, values, good, made.comes_from) if isinstance(part, Comparison) and part.worst() > 1 else None
        if pair is None or pair[1] is None:
            continue
        brief, head = _layer_of(subject, case, made, calls[0])
        numbered = {f"_{_place(made.events, event) + 1}": f"_{n}" for n, event in enumerate(calls, 1)}
        if not {_number(place) for place in (pair[0], pair[1])} <= numbered.keys():  # what a deed returned is no call's result
            continue
        left, other = (_renamed(brief, calls, place, numbered) for place in (pair[0], pair[1]))
        one, second = (values[name][at].item() for name, at in (pair[0], pair[1]))
        shown = digits(one, second)
        told = f"{left}  # {number(one, shown)}, but {other} is {number(second, shown)}"
        return [*head, *(line for n, event in enumerate(calls, 1) for line in _call(brief, event.arguments, f"_{n}")), told]
    return None


def _number(place: Place) -> str:
    """Return the number of the event that an expression is a result of."""
    return f"_{place[0].partition('_')[2].partition('[')[0]}"


def _renamed(brief: Brief, calls: list[Event], place: Place, numbered: Mapping[str, str]) -> str:
    expression, at = place
    suffix = numbered[_number(place)]
    arguments: Any = calls[int(suffix[1:]) - 1].arguments
    own = _in_own_result(brief, arguments, _part(expression), at, suffix)
    return own or f"{_result_name(expression, suffix)}[{', '.join(map(str, at))}]"
