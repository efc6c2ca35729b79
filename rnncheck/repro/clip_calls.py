"""A script that makes the calls of a clip function that the property made."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from torch import Tensor

from rnncheck.core.clip_case import ClipCase
from rnncheck.core.observation import Observation
from rnncheck.core.property import Property
from rnncheck.core.subject import Subject
from rnncheck.repro.assertion import last_lines, not_refused
from rnncheck.repro.call_log import Event, frozen
from rnncheck.repro.calls import watch
from rnncheck.repro.correct_subject import right_subject
from rnncheck.repro.literal import literal
from rnncheck.running.clip_trial import ClipTrial
from rnncheck.running.trial import seeded

_CLIP = '''
def clip(gradients, places, passed, *arguments, **options):
    """Of new parameters, passed in the order of places, the gradients after the call; what it returned; and what it raised."""
    parameters = [torch.nn.Parameter(torch.ones(3) if g is None else torch.ones_like(g)) for g in gradients]
    for parameter, gradient in zip(parameters, gradients):
        parameter.grad = gradient
    returned, refused = None, None
    try:
        returned = build(passed([parameters[place] for place in places]), *arguments, **options)
    except Exception as error:
        refused = f"{type(error).__name__}: {error}"
    return [p.grad for p in parameters], torch.as_tensor(float("nan") if returned is None else returned), refused


def near(actual, expected, allowed):
    return actual == expected or actual != actual and expected != expected or abs(actual - expected) <= allowed


def same(seen, was):
    """Check that the shape is the same and, up to another machine's rounding, the numbers."""
    return seen.shape == was.shape and torch.allclose(seen, was, rtol=16 * torch.finfo(was.dtype).eps, atol=0, equal_nan=True)


'''
PASSED = {"list": "list", "iterator": "iter", "tensor": "(lambda parameters: parameters[0])"}


def clip_calls(subject: Subject, prop: Property, case: Any) -> str | None:
    """The script's body, or None where the case is no clip function's, or the calls alone do not show it."""
    if not isinstance(case, ClipCase):
        return None
    (seen, raised, events), right = _recorded(subject, prop, case), _right(subject, prop, case)
    wrong_call = None if raised else not_refused(events, right)
    last = last_lines(seen, raised, events, right, wrong_call)
    done = [(event, raised is not None and event.error is raised) for event in events]
    done = done[: None if wrong_call is None else wrong_call + 1]
    lines = [line for number, (event, ends_here) in enumerate(done, 1) for line in _lines(number, event, ends_here)]
    return None if last is None else "\n".join([_CLIP, *lines, *last, ""])


def _recorded(subject: Subject, prop: Property, case: ClipCase) -> tuple[Observation, BaseException | None, list[Event]]:
    """What the property sees, what is raised at its end, and the calls that it makes."""
    events: list[Event] = []
    with seeded(case.seed, case.device):
        return *watch(prop, ClipTrial(replace(subject, build=_recording(subject.build, events)), case)), events


def _right(subject: Subject, prop: Property, case: ClipCase) -> list[Event] | None:
    """The calls of a right function."""
    seen, raised, events = _recorded(right_subject(subject, case), prop, case)
    return events if raised is None and seen.holds else None


def _recording(function: Callable[..., Any], events: list[Event]) -> Callable[..., Any]:
    """The function, which writes down what it was given and what came of it."""

    def recorded(parameters: Any, *arguments: Any, **options: Any) -> Any:
        passed = "tensor" if isinstance(parameters, Tensor) else "list" if isinstance(parameters, list) else "iterator"
        listed: list[Tensor] = [parameters] if isinstance(parameters, Tensor) else list(parameters)
        own = list({id(p): p for p in listed}.values())
        places = [next(i for i, p in enumerate(own) if p is one) for one in listed]
        event = Event("clip", 0, (tuple(frozen(p.grad) for p in own), places, passed, arguments, options))
        events.append(event)
        returned = None
        given = {"list": listed, "iterator": iter(listed), "tensor": listed[0] if listed else None}[passed]
        try:
            returned = event.do(lambda: function(given, *arguments, **options))
        finally:
            event.values = dict(_values(len(events), own, returned))
        return returned

    return recorded


def _values(number: int, parameters: list[Tensor], returned: Any) -> Iterable[tuple[str, Tensor]]:
    for place, parameter in enumerate(parameters):
        if parameter.grad is not None:
            yield f"after_{number}[{place}]", parameter.grad.detach().clone()
    if isinstance(returned, Tensor):
        yield f"returned_{number}", returned.detach().clone()


def _lines(number: int, event: Event, ends_here: bool) -> list[str]:
    """The call as Python; where it raises, and should not, that is the failure."""
    gradients, places, passed, arguments, options = event.arguments
    said = [f"[{', '.join(map(literal, gradients))}]", repr(places), PASSED[passed], *map(literal, arguments)]
    said += [f"{name}={literal(value)}" for name, value in options.items()]
    call = f"after_{number}, returned_{number}, refused = clip({', '.join(said)})"
    return [call, "assert refused is None, refused"] if ends_here else [call]
