"""A script that makes the calls that the property made, and compares the two numbers that should have agreed."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from rnncheck.adapters.torch_layers import torch_arguments
from rnncheck.backend.torch_state import preserved
from rnncheck.core.case import Case
from rnncheck.core.observation import Observation, equal
from rnncheck.core.property import Property
from rnncheck.core.subject import Malformed, Subject
from rnncheck.repro.assertion import asks_for_refusal, last_lines, not_refused
from rnncheck.repro.call_log import Event, RecordedTrial, Shown, recording
from rnncheck.repro.correct_subject import right_subject
from rnncheck.repro.helpers import helpers, renamed
from rnncheck.repro.literal import NoLiteral, literal
from rnncheck.running.trial import SubjectError, seeded

BUILDING = ("build", "load", "train")
"""What comes before a layer is used; the random numbers that it draws are not those of the check."""


@dataclass(frozen=True)
class Recorded:
    """A property's check of a case with all that it did: what it saw, and what was raised at its end."""

    events: list[Event]
    seen: Observation
    raised: BaseException | None
    names: Mapping[str, str]
    beside: bool = False

    def text(self, case: Case, wrong_call: int | None = None, only: set[int] | None = None) -> str:
        """All that was done as Python, up to the call that should have been refused; with ``only``, by these layers alone."""
        names = dict(self.names)
        lines = [helpers(case, names, self.events, self.beside)]
        seen = (event for event in self.events if event.kind not in BUILDING or event.error)
        used = {number for event in seen for number in event.layers}
        first = next((event for event in self.events if event.kind not in BUILDING), None)
        for place, event in enumerate(self.events[: None if wrong_call is None else wrong_call + 1]):
            lines += [f"torch.manual_seed({case.seed})"] if event is first else []
            if event.layer not in (used if only is None else only):  # it was built to measure rounding
                continue
            done = event_lines(place + 1, event, case)
            ends_here = self.raised is not None and event.error is self.raised
            lines += _probed(done) if place == wrong_call or (event.error and not ends_here) else done
        return "\n".join(lines)


def calls_made(subject: Subject, prop: Property, case: Any) -> str | None:
    """The script's body, or None where the calls alone do not show it."""
    if not isinstance(case, Case):
        return None
    made, right = recorded(subject, prop, case), right_events(subject, prop, case)
    wrong_call = None if made.raised else not_refused(made.events, right)
    should_raise = any(part.worst() > 1 and asks_for_refusal(part) for part in made.seen.parts)
    if wrong_call is None and should_raise and made.events[-1].is_deed:
        wrong_call = len(made.events) - 1
    last = last_lines(made.seen, made.raised, made.events, right, wrong_call)
    if last is None or not made.events:
        return None
    return "\n".join([made.text(case, wrong_call, _told_of(last, made.events) if prop.id in LOADED else None), *last, ""])


LOADED = ("agree.against",)
"""Properties whose layers are each given all their numbers, so that one may be shown without the others."""


def _told_of(last: list[str], events: list[Event]) -> set[int]:
    """The layers whose results the last lines speak of."""
    numbers = re.findall(r"\b(?:output|state|result)_(\d+)", "\n".join(last))
    return {events[int(number) - 1].layer for number in numbers}


def recorded(subject: Subject, prop: Property, case: Case) -> Recorded:
    """Let the property check the case, and write down what it does."""
    listening, events, layers = recording(subject)
    with seeded(case.seed, case.device), preserved():
        seen, raised = watch(prop, RecordedTrial(listening, case))
    names = {key: name for layer in layers for key, name in renamed(layer).items()}
    return Recorded(events, seen, raised, names, any(hasattr(layer, "with_lengths") for layer in layers))


def right_events(subject: Subject, prop: Property, case: Case) -> list[Event] | None:
    """The same with a right layer; None where the property does not hold of that all the same."""
    try:
        right = recorded(right_subject(subject, case), prop, case)
    except Exception:  # it does not know what the subject is asked to do
        return None
    return right.events if right.raised is None and right.seen.parts and right.seen.holds else None


def _probed(lines: list[str]) -> list[str]:
    """What may be refused."""
    return ["refused = None", "try:", *(f"    {line}" for line in lines), "except Exception as error:", *_REFUSED]


_REFUSED = ('    refused = f"{type(error).__name__}: {error}"', '    print("refused with", refused)')


def watch(prop: Property, trial: Any) -> tuple[Observation, BaseException | None]:
    """What the property sees of a recorded trial, and what the subject raised, if that ended it."""
    try:
        return prop.check(trial), None
    except SubjectError as error:
        return Observation(), error.cause
    except Malformed as error:
        if error.actual is None:
            return Observation(), error
        return equal("shape of the result", error.actual, error.expected), None


def event_lines(number: int, event: Event, case: Case) -> list[str]:
    """The event as Python."""
    layer = f"layer_{event.layer}"
    if event.kind == "build":
        config, dtype, device = event.arguments
        options = "".join(f", {key}={value!r}" for key, value in torch_arguments(config).items())
        moved = "" if dtype == torch.float32 else f".to({dtype})"
        made = f"build({config.input_size}, {config.hidden_size}{options}{_form_options(event)}){moved}"
        form = event.form
        line = f"{layer} = {made}" if form is None or form[0].forward is None else f"{layer} = in_form({made}, {form[0].name!r})"
        return _in([f"torch.device({device.type!r})"] if device.type == "meta" else [], [line])
    if event.kind == "load":
        values = ", ".join(f"{name!r}: {literal(value)}" for name, value in event.arguments[0].items())
        return [f"load({layer}, {{{values}}})"]
    if event.kind == "train":
        return [f"{layer}.{'train' if event.arguments[0] else 'eval'}()"]
    if event.kind == "seed":
        return [f"torch.manual_seed({event.arguments[0]})"]
    if event.is_deed:
        called = f"{event.arguments[0].__name__}({', '.join(map(_argument, event.arguments[1:]))})"
        named = f"layer_{event.made} = {called}.module" if event.made else f"result_{number} = {called}"
        return _in(event.around, [named])
    return _in(event.around, _call(number, layer, event, case))


def _form_options(event: Event) -> str:
    """The constructor's options by which a form is had."""
    options = None if event.form is None else event.form[0].options
    if options and not all(isinstance(value, bool | int | float | str | None) for value in options.values()):
        raise NoLiteral(f"options {dict(options)}")
    return f", form={dict(options)!r}" if options else ""


def _argument(part: Any) -> str:
    """What a deed is given: a layer by its number, a function by its name."""
    if isinstance(part, Shown):
        return f"Layer(layer_{part.number})"
    return str(part.__name__) if callable(part) else literal(part)


def _call(number: int, layer: str, event: Event, case: Case) -> list[str]:
    x, hx, *lengths = event.arguments
    given = ", ".join(map(literal, (x, hx if hx is None else case.config.as_hx(hx), event.grad, *lengths)))
    return [f"output_{number}, state_{number} = call({layer}, {given})"]


def _in(around: Sequence[str], lines: list[str]) -> list[str]:
    return [f"with {', '.join(around)}:", *(f"    {line}" for line in lines)] if around else lines
