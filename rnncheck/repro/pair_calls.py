"""The script of a failing pair: the candidate with the case's weights and inputs, and what the reference returns for them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from rnncheck.core.observation import Observation
from rnncheck.core.pair_case import PairCase
from rnncheck.core.property import Property
from rnncheck.core.subject import Malformed, Subject
from rnncheck.repro.assertion import last_lines
from rnncheck.repro.calls import watch
from rnncheck.repro.events import Event
from rnncheck.repro.helpers import NEAR, SAME
from rnncheck.repro.literal import literal
from rnncheck.repro.sources import sources_of
from rnncheck.running.pair import Pair
from rnncheck.running.pair_events import Called, Did, Loaded
from rnncheck.running.pair_reference import PairReference
from rnncheck.running.pair_session import PairSession
from rnncheck.running.pair_trial import PairTrial
from rnncheck.running.trial import seeded

NOTICEABLE = 1e-12
"""A relative difference that is no rounding of float64; the largest is taken."""
FILLED = "torch.use_deterministic_algorithms(True, warn_only=True)  # fills memory that nobody has written to with NaN"


@dataclass(frozen=True)
class Wrong:
    """A number that the reference has otherwise: of which call of which session, by which expression."""

    session: PairSession
    event: int
    expression: str
    actual: float
    expected: float
    size: float


def pair_calls(subject: Subject, prop: Property, case: Any) -> str | None:
    """The script's body, or None where the case is no pair's, or where neither a number nor a shape shows what is wrong."""
    if not isinstance(case, PairCase):
        return None
    sessions, seen = _recorded(subject, prop, case)
    pair: Pair = subject.build
    right, _ = _recorded(replace(subject, build=replace(pair, candidate=pair.reference)), prop, case)
    if any(isinstance(event, Did) for session in sessions for event in session.events):
        return _deeds(sessions, seen, right)
    wrong = next(_shapes(sessions, right), None) or max(_numbers(sessions, right), key=lambda one: one.size, default=None)
    if isinstance(wrong, Wrong) and wrong.size > NOTICEABLE:
        before = [FILLED] * (prop.id == "pair.fresh_memory")
        return _text([*before, *_lines(wrong.session, wrong.event + 1), *_last(wrong)])
    if isinstance(wrong, tuple):
        session, event, line = wrong
        return _text([*_lines(session, event + 1), line])
    return None


def _recorded(subject: Subject, prop: Property, case: PairCase) -> tuple[list[PairSession], Observation]:
    sessions: list[PairSession] = []
    with seeded(case.seed, case.device):
        seen, raised = watch(prop, PairTrial(subject, case, sessions))
    return [] if isinstance(raised, Malformed) else sessions, seen


def _deeds(sessions: Sequence[PairSession], seen: Observation, right: Sequence[PairSession]) -> str | None:
    """The deeds on one candidate, as far as the last lines speak of what they return."""
    events = [event for _, event in _as_events(sessions)]
    last = last_lines(seen, None, events, [event for _, event in _as_events(right)], None)
    place = re.search(r"result_(\d+)", "\n".join(last or ()))
    if not last or place is None:
        return None
    session, event = _as_events(sessions)[int(place[1]) - 1]
    asked = [text for name, text in {"near": NEAR, "same": SAME}.items() if f"{name}(" in "\n".join(last)]
    lines = [*_lines(session, len(session.events)), *(line.replace(place[0], "result") for line in last)]
    return "\n\n\n".join([*asked, sources_of([event.arguments[0]]), _text(lines)])


def _as_events(sessions: Sequence[PairSession]) -> list[tuple[PairSession, Event]]:
    """The deeds as events, the results of each by name."""
    dids = [(session, did) for session in sessions for did in session.events if isinstance(did, Did)]
    events = [(session, Event("deed", 0, (did.deed,)), did) for session, did in dids]
    for number, (_, event, did) in enumerate(events, 1):
        event.note(f"result_{number}", did.result)
    return [(session, event) for session, event, _ in events]


def first_pair(subject: Subject, case: PairCase) -> list[str]:
    """The lines of a case's first call, which is not made for them."""
    trial = PairTrial(subject, case)
    loaded = Loaded(trial.weights, {})
    called = Called(trial.inputs(), case.seed, case.grad, False, {})
    return [*_head(trial), *_loaded(loaded), *_called(called, trial)]


def _both(sessions: Sequence[PairSession], right: Sequence[PairSession]) -> Iterator[tuple[PairSession, int, Called, Called]]:
    """Calls that both sides made."""
    for session, other in zip(sessions, right, strict=False):
        for place, (one, two) in enumerate(zip(session.events, other.events, strict=False)):
            if isinstance(one, Called) and isinstance(two, Called):
                yield session, place, one, two


def _shapes(sessions: Sequence[PairSession], right: Sequence[PairSession]) -> Iterator[tuple[PairSession, int, str]]:
    """The first result that is missing or has another shape."""
    for session, place, one, two in _both(sessions, right):
        for path, value in two.results.items():
            own, shape = one.results.get(path), tuple(value.shape)
            if own is None or tuple(own.shape) != shape:
                yield session, place, f"assert tuple({path}.shape) == {shape}, tuple({path}.shape)"


def _numbers(sessions: Sequence[PairSession], right: Sequence[PairSession]) -> Iterator[Wrong]:
    """The worst number of each result of each call."""
    for session, place, one, two in _both(sessions, right):
        for path, expected in two.results.items():
            actual = one.results.get(path)
            if actual is not None and actual.shape == expected.shape and actual.numel():
                yield _worst(session, place, path, actual, expected)


def _worst(session: PairSession, place: int, path: str, actual: Tensor, expected: Tensor) -> Wrong:
    off = (actual - expected).abs().nan_to_num(nan=torch.inf) / expected.abs().max().clamp(min=1e-300)
    off = torch.where(actual == expected, 0.0, off)
    at = tuple(int(i) for i in torch.unravel_index(off.argmax(), off.shape))
    expression = f"{path}[{', '.join(map(str, at))}]" if at else path
    return Wrong(session, place, expression, float(actual[at]), float(expected[at]), float(off[at]))


def _text(lines: Sequence[str]) -> str:
    return "\n".join([*lines, ""])


def _lines(session: PairSession, count: int) -> list[str]:
    """The candidate, and what was done with it."""
    lines = _head(session.trial)
    for event in session.events[:count]:
        lines += _loaded(event) if isinstance(event, Loaded) else _called(event, session.trial)
    return lines


def _head(trial: PairReference) -> list[str]:
    case, (positional, named) = trial.case, trial.init
    init = ", ".join([*map(repr, positional), *(f"{name}={value!r}" for name, value in named.items())])
    return [
        f"torch.set_default_dtype(torch.{case.dtype})",
        f"torch.manual_seed({case.seed})",
        f"model = build({init}).to(torch.{case.dtype}).to({case.device!r}).train({case.training})",
    ]


def _loaded(event: Loaded) -> list[str]:
    weights = [f"    {name!r}: {literal(value)}," for name, value in event.weights.items()]
    states = [f"model.get_submodule({key.rpartition('.')[0]!r}).{key.rpartition('.')[2]} = {_as_default(value)}"
              for key, value in event.states.items()]  # fmt: skip
    return ["model.load_state_dict({", *weights, "}, strict=False)", *states]


def _as_default(value: Any) -> str:
    text = literal(value.double() if isinstance(value, Tensor) and value.is_floating_point() else value)
    return f"{text}.to(torch.get_default_dtype())" if isinstance(value, Tensor) and value.is_floating_point() else text


def _called(event: Called | Did, trial: PairReference) -> list[str]:
    return [
        *(_inputs(event, trial.case.device) if isinstance(event, Called) else []),
        f"torch.manual_seed({event.seed})",
        f"with torch.set_grad_enabled({event.grad}):",
        "    output = model(*inputs)" if isinstance(event, Called) else f"    {_deed(event, trial.case.device)}",
    ]


def _inputs(event: Called, device: str) -> list[str]:
    texts = [_given(value, device) for value in event.inputs]
    if not event.again:
        return [f"inputs = [{', '.join(texts)}]"]
    return [f"inputs[{place}].copy_({text})" for place, text in enumerate(texts) if isinstance(event.inputs[place], Tensor)]


def _deed(event: Did, device: str) -> str:
    return f"result = {event.deed.__name__}(model, {', '.join(_given(value, device) for value in event.arguments)})"


def _given(value: Any, device: str) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_given(part, device) for part in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name!r}: {_given(part, device)}' for name, part in value.items())}}}"
    moved = "" if device == "cpu" else f".to({device!r})"
    return _as_default(value) + moved if isinstance(value, Tensor) else repr(value)


def _last(wrong: Wrong) -> list[str]:
    allowed = abs(wrong.actual - wrong.expected) / 3
    allowed = allowed if isfinite(allowed) else 1e-3 * max(abs(wrong.expected), 1.0)
    expression = wrong.expression.replace('"', "'")
    return [
        f"actual, expected = float({wrong.expression}), {wrong.expected!r}  # the reference's",
        f'assert abs(actual - expected) <= {allowed:.3g}, f"{expression} = {{actual}}, but should be {{expected}}"',
    ]
