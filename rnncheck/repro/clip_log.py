"""What a property did with a clip function, in order."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rnncheck.core.clip_case import ClipCase
from rnncheck.core.subject import Subject
from rnncheck.repro.events import Event, Shown, frozen
from rnncheck.repro.literal import literal
from rnncheck.running.clip_trial import ClipTrial

PASSED = {
    "list": "parameters",
    "generator": "(p for p in parameters)",
    "tensor": "parameters[0]",
    "used_up": "(p for p in parameters[:0])",
}
"""How a script passes parameters."""


class RecordedFunction:
    """A clip function, with what is done with it."""

    def __init__(self, function: Callable[..., Any], events: list[Event]) -> None:
        self.function, self.events = function, events

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self.function(*arguments, **options)


class RecordedClipTrial(ClipTrial):
    """A trial whose deeds are written down, with their arguments and results."""

    def do(self, deed: Callable[..., Any], *arguments: Any) -> Any:
        """As ClipTrial.do; the event gets the deed, its arguments, and all that came out."""
        function = self.subject.build
        if not isinstance(function, RecordedFunction):  # another function than the subject
            return super().do(deed, *arguments)
        event = Event("deed", 0, (deed, Shown(self.call_text()), *map(frozen, arguments)))
        function.events.append(event)
        result = super().do(lambda *inside: event.do(lambda: deed(*inside)), *arguments)
        event.note(f"result_{len(function.events)}", result)
        return result

    def noted(self, deed: Callable[..., Any], *arguments: Any, result: Any) -> None:
        """As ClipTrial.noted; the script does the deed."""
        events = self.subject.build.events
        events.append(Event("deed", 0, (deed, Shown(self.call_text()), *map(frozen, arguments))))
        events[-1].note(f"result_{len(events)}", result)

    def call_text(self) -> str:
        """The function of the parameters alone, as Python."""
        options = "".join(f", {name}={literal(value)}" for name, value in self.options.items())
        return f"lambda parameters: build({PASSED[self.case.passed_as]}, {literal(self.case.max_norm)}{options})"


def recorded_clip(subject: Subject, case: ClipCase) -> tuple[RecordedClipTrial, list[Event]]:
    """Return a trial of the case, and the events that it writes."""
    events: list[Event] = []
    return RecordedClipTrial(replace(subject, build=RecordedFunction(subject.build, events)), case), events
