"""A script that makes the calls of a clip function that the property made."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from torch import Tensor

from rnncheck.clip_case import ClipCase
from rnncheck.clip_trial import ClipTrial
from rnncheck.property import Property
from rnncheck.repro.calls import last_lines, watch
from rnncheck.repro.literal import literal
from rnncheck.repro.record import Event, frozen
from rnncheck.subject import Subject
from rnncheck.trial import seeded

_CLIP = '''
def clip(gradients, places, passed, *arguments, **options):
    """The gradients of new parameters, passed in the order of places, after the call; and what it returned."""
    parameters = [torch.nn.Parameter(torch.ones(3) if g is None else torch.ones_like(g)) for g in gradients]
    for parameter, gradient in zip(parameters, gradients):
        parameter.grad = gradient
    returned = build(passed([parameters[place] for place in places]), *arguments, **options)
    return [p.grad for p in parameters], torch.as_tensor(float("nan") if returned is None else returned)


def same(seen, was):
    """The same shape and, but for another machine's rounding, the same numbers."""
    return seen.shape == was.shape and torch.allclose(seen, was, rtol=16 * torch.finfo(was.dtype).eps, atol=0, equal_nan=True)


'''
PASSED = {"list": "list", "iterator": "iter", "tensor": "(lambda parameters: parameters[0])"}


def clip_calls(subject: Subject, prop: Property, case: Any) -> str | None:
    """The script's body, or None where the case is no clip function's, or the calls alone do not show it."""
    if not isinstance(case, ClipCase):
        return None
    events: list[Event] = []
    with seeded(case.seed, case.device):
        seen, raised = watch(prop, ClipTrial(replace(subject, build=_recording(subject.build, events)), case))
    last = last_lines(prop, seen, raised, events)
    lines = [line for number, event in enumerate(events, 1) for line in _lines(number, event, event.error is raised)]
    return None if last is None else "\n".join([_CLIP, *lines, *last, ""])


def _recording(function: Callable[..., Any], events: list[Event]) -> Callable[..., Any]:
    """The function, which writes down what it was given and what came of it."""

    def recorded(parameters: Any, *arguments: Any, **options: Any) -> Any:
        passed = "tensor" if isinstance(parameters, Tensor) else "list" if isinstance(parameters, list) else "iterator"
        listed: list[Tensor] = [parameters] if isinstance(parameters, Tensor) else list(parameters)
        own = list({id(p): p for p in listed}.values())
        places = [next(i for i, p in enumerate(own) if p is one) for one in listed]
        event = Event("clip", 0, (tuple(frozen(p.grad) for p in own), places, passed, arguments, options))
        events.append(event)
        given = {"list": listed, "iterator": iter(listed), "tensor": listed[0] if listed else None}[passed]
        try:
            returned = function(given, *arguments, **options)
        except BaseException as error:
            event.error = error
            raise
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
    """The call as Python. One that raises, as it may, is let raise; one that ends the script is the failure."""
    gradients, places, passed, arguments, options = event.arguments
    said = [f"[{', '.join(map(literal, gradients))}]", repr(places), PASSED[passed], *map(literal, arguments)]
    said += [f"{name}={literal(value)}" for name, value in options.items()]
    call = f"after_{number}, returned_{number} = clip({', '.join(said)})"
    if event.error is None:
        return [call]
    if ends_here:
        return [f"{call}  # expected to raise"]
    return ["try:", f"    {call}", "except Exception as error:", "    print('refused:', error)"]
