"""A script that makes the calls that the property made, and compares the two numbers that should have agreed."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from rnncheck.adapters.torch_layers import torch_arguments
from rnncheck.backend.torch_state import preserved
from rnncheck.core.case import Case
from rnncheck.core.clip_case import ClipCase
from rnncheck.core.observation import Comparison, Observation, equal
from rnncheck.core.property import Property
from rnncheck.core.subject import Malformed, Subject
from rnncheck.repro.assertion import asks_for_refusal, last_lines, not_refused, values_of
from rnncheck.repro.call_log import RecordedTrial, move_of, recording
from rnncheck.repro.clip_log import recorded_clip
from rnncheck.repro.correct_subject import right_subject
from rnncheck.repro.events import Event, as_results
from rnncheck.repro.helpers import helpers, renamed
from rnncheck.repro.literal import NoLiteral, literal
from rnncheck.repro.places import Place, worst_place
from rnncheck.running.trial import SubjectError, seeded

BUILDING = ("build", "load", "train")
"""What comes before a layer is used; the random numbers that it draws are not those of the check."""


@dataclass(frozen=True)
class Recorded:
    """A property's check of a case with all that it did: what it saw, and what was raised at its end.

    turns: what was done in turn; apart: whether each of its layers may be shown without the others
    again: the same check, which is given the number at a place otherwise
    own_start: whether its layers keep the parameters that they begin with
    """

    events: list[Event]
    seen: Observation
    raised: BaseException | None
    names: Mapping[str, str]
    beside: bool = False
    turns: Sequence[str] = ()
    apart: bool = False
    again: Callable[[Place], "Recorded"] | None = None
    own_start: bool = False

    @property
    def end(self) -> str:
        """How it ends: well, badly, or with which exception."""
        return type(self.raised).__name__ if self.raised is not None else "well" if self.seen.holds else "badly"

    def comes_from(self, part: Comparison, side: str, place: Place) -> bool:
        """Whether the number of a side that is farthest off is the one at this place: it moves as that one does.

        side: "actual" or "expected"; where what is seen cannot be had again, each place with the same number may be it
        """
        number = next(number for number, one in enumerate(self.seen.parts) if one is part)
        value = values_of(self.events).get(place[0])
        if self.again is None or value is None or not value.is_floating_point():
            return True
        try:
            parts = self.again(place).seen.parts
        except Exception:  # with that number the property says nothing: what was compared is not known again
            return True
        now = parts[number] if len(parts) == len(self.seen.parts) else None
        if not isinstance(now, Comparison) or now.what != part.what or now.actual.shape != part.actual.shape:
            return True
        at, size = worst_place(part), move_of(float(value[place[1]]))
        apart = float(getattr(now, side)[at]) - float(getattr(part, side)[at])
        return apart != apart or abs(apart - size) < size / 8

    def lines(self, case: Any, right: list[Event] | None, last: list[str], wrong_call: int | None) -> Iterator[str]:
        """Yield what was done as Python, as far as the last lines speak of it, up to the call that should have been refused."""
        shown = [place for place in self._shown(last, wrong_call is not None) if wrong_call is None or place <= wrong_call]
        first = next((place for place, event in enumerate(self.events) if event.kind not in BUILDING), None)
        for place, event in enumerate(self.events):
            yield from [f"torch.manual_seed({case.seed})"] if place == first else []
            if place not in shown:
                continue
            done = event_lines(place + 1, self._referring(place, shown, right), case)
            done = _drawn_anew(done, event.seed) if self.own_start and event.kind == "build" and place > min(shown) else done
            ends_here = self.raised is not None and event.error is self.raised
            yield from _probed(done) if place == wrong_call or (event.error and not ends_here) else done

    def _shown(self, last: list[str], refused: bool) -> list[int]:
        """The places of events that the last lines need: none after the results that they speak of, and no idle looks before them.

        Layers that only measure rounding are left out too.
        """
        seen = (event for event in self.events if event.kind not in BUILDING or event.error)
        layers = {number for event in seen for number in event.layers}
        told = {int(number) - 1 for number in re.findall(r"\b(?:output|state|result)_(\d+)", "\n".join(last))}
        if self.apart and told:
            layers = {self.events[place].layer for place in told}
            for event in reversed(self.events):  # what a layer is a copy of
                layers |= {event.layer} if event.made in layers else set()
        end = max(told) if told and self.raised is None and not refused else len(self.events)
        events = list(enumerate(self.events))[: end + 1]
        return [place for place, one in events if one.layer in layers and (place in told or not one.only_looks)]

    def _referring(self, place: int, shown: list[int], right: list[Event] | None) -> Event:
        """Return the event at this place, which says of what it was given which are the results of earlier ones."""
        event, known = self.events[place], values_of([self.events[earlier] for earlier in shown if earlier < place])
        if event.kind not in ("call", "deed") or not known:
            return event
        good = None if right is None or place >= len(right) else (right[place].arguments, values_of(right[:place]))
        return replace(event, arguments=as_results(event.arguments, known, good))


def calls_made(subject: Subject, prop: Property, case: Any) -> str | None:
    """The script's body, or None where the calls alone do not show it."""
    if not isinstance(case, Case | ClipCase):
        return None
    made = _shortest(subject, prop, case)
    right = right_events(subject, prop, case, made)
    wrong_call = None if made.raised else not_refused(made.events, right)
    should_raise = any(part.worst() > 1 and asks_for_refusal(part) for part in made.seen.parts)
    if wrong_call is None and should_raise and made.events[-1].is_deed:
        wrong_call = len(made.events) - 1
    last = last_lines(made.seen, made.raised, made.events, right, wrong_call, subject.offers("equations"), made.comes_from)
    if last is None or not made.events:
        return None
    done = _numbered("\n".join([*made.lines(case, right, last, wrong_call), *last])).split("\n")
    return "\n".join([helpers(case, dict(made.names), made.events, made.beside, done), *done, ""])


def _numbered(text: str) -> str:
    """Return the lines with results and layers counted from 1, and without names for results that nobody looks at."""
    text = re.sub(r"\bresult_(\d+) = (?!.*\bresult_\1\b)", "", text, flags=re.DOTALL)
    for names in ("output|state|result", "layer"):
        found = dict.fromkeys(re.findall(rf"\b(?:{names})_(\d+)\b", text))
        places = {old: new for new, old in enumerate(found, 1)}
        text = re.sub(rf"\b({names})_(\d+)\b", lambda one: f"{one[1]}_{places[one[2]]}", text)  # noqa: B023
    return text


def _shortest(subject: Subject, prop: Property, case: Any) -> Recorded:
    """Return what the property does, without what is done in turn and not needed for it to end as it does."""
    made = recorded(subject, prop, case)
    for name in made.turns:
        fewer = recorded(subject, prop, case, [other for other in made.turns if other != name])
        made = fewer if fewer.end == made.end else made
    return made


DEAREST = 20
"""The cost of a property up to which it is run again to see where its numbers come from."""
LOADED = ("agree.against", "life.machine")
"""Properties whose layers are each given all their numbers, so that one may be shown without the others."""


def recorded(
    subject: Subject, prop: Property, case: Any, chosen: Sequence[str] | None = None, moved: Place | None = None
) -> Recorded:
    """Let the property check the case, and write down what it does.

    chosen: what it does of all that it does in turn; moved: the place of a number that it is given otherwise
    """
    if isinstance(case, ClipCase):
        trial, events = recorded_clip(subject, case)
        with preserved():
            return Recorded(events, *watch(prop, trial), {})
    listening, log = recording(subject, moved)
    with seeded(case.seed, case.device), preserved():
        one = RecordedTrial(listening, case)
        one.chosen = chosen
        seen, raised = watch(prop, one)
    names = {key: name for layer in log.layers for key, name in renamed(layer).items()}
    beside = any(hasattr(layer, "with_lengths") for layer in log.layers)
    again = partial(recorded, subject, prop, case, chosen) if prop.cost <= DEAREST else None
    return Recorded(
        log.events, seen, raised, names, beside, one.turns, prop.id in LOADED, again, own_start=not subject.offers("load")
    )


def right_events(subject: Subject, prop: Property, case: Any, made: Recorded) -> list[Event] | None:
    """What was made, with a right layer; None where the property does not hold of that all the same."""
    try:
        right = recorded(right_subject(subject, case), prop, case, made.turns or None)
    except Exception:  # it does not know what the subject is asked to do
        return None
    return in_step(right.events, made.events) if right.raised is None and right.seen.parts and right.seen.holds else None


def in_step(right: Sequence[Event], made: Sequence[Event]) -> list[Event]:
    """The calls of a right layer in the places of the same calls of another, which may be built or loaded more often.

    >>> build, load, call = Event("build", 1), Event("load", 1), Event("call", 1, values={"output_2": torch.zeros(1)})
    >>> [(one.kind, *one.values) for one in in_step([build, call], [build, load, Event("call", 1)])]
    [('build',), ('load',), ('call', 'output_3')]
    """
    used = [(number, event) for number, event in enumerate(right, 1) if event.kind not in BUILDING]
    found = list[Event]()
    for event in made:
        idle = event.kind in BUILDING
        if idle or used:
            found.append(event if idle else _renumbered(*used.pop(0), len(found) + 1))
    return found + [_renumbered(*one, len(found) + more) for more, one in enumerate(used, 1)]


def _renumbered(number: int, event: Event, now: int) -> Event:
    """The event with its results called by another number."""

    def called(name: str) -> str:
        return name.replace(f"_{number}", f"_{now}", 1)

    values = {called(name): value for name, value in event.values.items()}
    return replace(event, values=values, facts={called(name): fact for name, fact in event.facts.items()})


def _probed(lines: list[str]) -> list[str]:
    """What may be refused."""
    return ["refused = None", "try:", *(f"    {line}" for line in lines), "except Exception as error:", *_REFUSED]


def _drawn_anew(lines: list[str], seed: int) -> list[str]:
    """What draws random numbers of its own, from their seed, and leaves those of the rest as they are."""
    return ["with torch.random.fork_rng([]):", *(f"    {line}" for line in (f"torch.manual_seed({seed})", *lines))]


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
    """What a deed is given; another deed by its name."""
    return str(part.__name__) if callable(part) else literal(part)


def _call(number: int, layer: str, event: Event, case: Case) -> list[str]:
    x, hx, *lengths = event.arguments
    given = ", ".join(map(literal, (x, hx if hx is None else case.config.as_hx(hx), event.grad, *lengths)))
    return [f"output_{number}, state_{number} = call({layer}, {given})"]


def _in(around: Sequence[str], lines: list[str]) -> list[str]:
    return [f"with {', '.join(around)}:", *(f"    {line}" for line in lines)] if around else lines
