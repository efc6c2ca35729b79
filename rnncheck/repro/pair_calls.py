"""The script of a failing pair: the candidate with the case's weights and inputs, and what the reference returns for them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from rnncheck.core.pair_case import PairCase
from rnncheck.core.property import Property
from rnncheck.core.subject import Malformed, Subject
from rnncheck.repro.calls import watch
from rnncheck.repro.literal import literal
from rnncheck.running.pair import Pair
from rnncheck.running.pair_events import Called, Loaded
from rnncheck.running.pair_results import Tensors
from rnncheck.running.pair_trial import PairSession, PairTrial
from rnncheck.running.trial import seeded

NOTICEABLE = 1e-12
"""A relative difference that is no rounding of float64; the largest is taken."""
KEPT = "kept = {path: value.clone() for path, value in tensors(output)}"
RECORDED = "value.requires_grad_() if isinstance(value, torch.Tensor) and value.is_floating_point() else value"
SAME = 'assert all(torch.equal(value, kept[path]) for path, value in tensors(output)), "{words}"'
TENSORS = '''def tensors(result, path="output"):
    """(path, tensor) of all tensors in nested tuples, lists and dicts."""
    if isinstance(result, (tuple, list, dict)):
        parts = result.items() if isinstance(result, dict) else enumerate(result)
        return [one for key, part in parts for one in tensors(part, f"{path}[{key!r}]")]
    return [(path, result)] if isinstance(result, torch.Tensor) else []

'''
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
    sessions = _recorded(subject, prop, case)
    if prop.id in ENDINGS and sessions:
        return ENDINGS[prop.id](sessions[0])
    pair: Pair = subject.build
    right = _recorded(replace(subject, build=replace(pair, candidate=pair.reference)), prop, case)
    wrong = next(_shapes(sessions, right), None) or max(_numbers(sessions, right), key=lambda one: one.size, default=None)
    if isinstance(wrong, Wrong) and wrong.size > NOTICEABLE:
        before = [FILLED] * (prop.id == "pair.fresh_memory")
        return _text([*before, *_lines(wrong.session, wrong.event + 1), *_last(wrong)])
    if isinstance(wrong, tuple):
        session, event, line = wrong
        return _text([*_lines(session, event + 1), line])
    return None


def _recorded(subject: Subject, prop: Property, case: PairCase) -> list[PairSession]:
    sessions: list[PairSession] = []
    with seeded(case.seed, case.device):
        _, raised = watch(prop, PairTrial(subject, case, sessions))
    return [] if isinstance(raised, Malformed) else sessions


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


def _head(trial: PairTrial) -> list[str]:
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


def _called(event: Called, trial: PairTrial) -> list[str]:
    device = "" if trial.case.device == "cpu" else f".to({trial.case.device!r})"
    texts = [_as_default(value) + device if isinstance(value, Tensor) else repr(value) for value in event.inputs]
    if event.again:
        given = [f"inputs[{place}].copy_({text})" for place, text in enumerate(texts) if isinstance(event.inputs[place], Tensor)]
    else:
        given = [f"inputs = [{', '.join(texts)}]"]
    return [
        *given,
        f"torch.manual_seed({event.seed})",
        f"with torch.set_grad_enabled({event.grad}):",
        "    output = model(*inputs)",
    ]


def _last(wrong: Wrong) -> list[str]:
    allowed = abs(wrong.actual - wrong.expected) / 3
    allowed = allowed if isfinite(allowed) else 1e-3 * max(abs(wrong.expected), 1.0)
    expression = wrong.expression.replace('"', "'")
    return [
        f"actual, expected = float({wrong.expression}), {wrong.expected!r}  # the reference's",
        f'assert abs(actual - expected) <= {allowed:.3g}, f"{expression} = {{actual}}, but should be {{expected}}"',
    ]


def _inputs_changed(session: PairSession) -> str | None:
    """Compare the inputs after the call with what they were."""
    lines = _lines(session, 2)
    clones = "before = [value.clone() if isinstance(value, torch.Tensor) else value for value in inputs]"
    same = "assert all(torch.equal(a, b) for a, b in zip(inputs, before) if isinstance(a, torch.Tensor)), 'an input has changed'"
    return _text([*lines[:-3], clones, *lines[-3:], same])


def _changed_later(session: PairSession) -> str | None:
    """Compare the results of the first call before and after the second."""
    first, both = _lines(session, 2), _lines(session, 3)
    later = [line.replace("output = ", "later = ") for line in both[len(first) :]]
    return _text([TENSORS, *first, KEPT, *later, SAME.format(words="the next call has changed a result of this one")])


def _not_settled(session: PairSession) -> str | None:
    """Compare the results at once and a moment later."""
    words = "a result has changed after the call"
    return _text(["import time\n", TENSORS, *_lines(session, 2), KEPT, "time.sleep(0.5)", SAME.format(words=words)])


def _gradient(session: PairSession) -> str | None:
    """Compare the gradient that is furthest off."""
    trial = session.trial
    found, right = trial.gradients(), trial.gradient_budget.truth
    name = max(right, key=lambda name: _off(found.get(name), right[name]))
    called = replace(session.events[1], grad=True) if isinstance(session.events[1], Called) else None
    if called is None:
        return None
    value, *lines = right[name], *_lines(session, 1), *_called(called, trial)
    at = tuple(int(i) for i in torch.unravel_index(value.abs().argmax(), value.shape))
    inputs = f"inputs = [{RECORDED} for value in inputs]"
    wanted = _wanted(name, session)
    return _text([
        *lines[:-3], inputs, *lines[-3:],
        f"loss = sum({_loss(trial.cotangents)})",
        f"(gradient,) = torch.autograd.grad(loss, [{wanted}], allow_unused=True)",
        f"assert gradient is not None, {name!r} ' is missing'",
        f"actual, expected = float(gradient[{', '.join(map(str, at))}]), {float(value[at])!r}  # the reference's",
        f"assert abs(actual - expected) <= {float(trial.gradient_budget.allowed[name].max()):.3g}, {name!r}",
    ])  # fmt: skip


def _loss(cotangents: Tensors) -> str:
    return "[" + ", ".join(f"({path} * {_as_default(value)}).sum()" for path, value in cotangents.items()) + "]"


def _wanted(name: str, session: PairSession) -> str:
    subject = name.removeprefix("gradient of ")
    place = subject.removeprefix("input ")
    return f"inputs[{place}]" if subject != place else f"model.get_parameter({session.names[subject]!r})"


def _off(actual: Tensor | None, truth: Tensor) -> float:
    return torch.inf if actual is None else float((actual - truth).abs().max() / truth.abs().max().clamp(min=1e-300))


ENDINGS = {
    "pair.inputs": _inputs_changed, "pair.fresh": _changed_later, "pair.settled": _not_settled, "pair.gradients": _gradient,
}  # fmt: skip
"""How the scripts of properties end that do not compare results with the reference's."""
