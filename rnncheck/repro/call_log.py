"""What a property did with the subject: every build, load, train() and call, in order, with literal arguments."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from torch.utils._python_dispatch import _get_current_dispatch_mode

from rnncheck.adapters.forms import ATTRIBUTE, Form
from rnncheck.catalog.tools.fresh_memory import FreshMemory
from rnncheck.core.config import Config
from rnncheck.core.subject import Layer, Subject
from rnncheck.repro.events import Event, Shown, frozen, with_parts
from rnncheck.repro.places import Place
from rnncheck.running.random_rounding import rounds_at_random
from rnncheck.running.trial import Trial


@dataclass
class Log:
    """All that a check does: the events, and the layers that it builds.

    moved: the place of a number that the check is given otherwise than it came out, by ``MOVE`` of its size; None for none
    """

    moved: Place | None = None
    events: list[Event] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)

    def given(self, expression: str, tensor: Tensor) -> Tensor:
        """The result of this expression as the check is given it."""
        if self.moved is None or self.moved[0] != expression:
            return tensor
        step = torch.zeros_like(tensor)
        step[self.moved[1]] = move_of(float(tensor[self.moved[1]]))
        return tensor + step


def move_of(number: float) -> float:
    """By how much a number is moved, to see what is computed from it."""
    return max(1.0, abs(number))


class RecordedLayer:
    """A layer that writes down what is done with it; one that takes lengths is called with them, as it is by itself."""

    def __init__(self, inner: Any, log: Log) -> None:
        log.layers.append(inner)
        self.inner, self.log, self.events = inner, log, log.events
        self.number, self.module = len(log.layers), inner.module

    def __call__(self, input: Any, hx: tuple[Tensor, ...] | None) -> Any:
        if isinstance(input, PackedSequence) and hasattr(self.inner, "with_lengths"):
            x, lengths = pad_packed_sequence(input, self.inner.batch_first)
            output, state = self.with_lengths(x, hx, lengths)
            return pack_padded_sequence(output, lengths, self.inner.batch_first, input.sorted_indices is None), state
        return self._recorded((input, hx), lambda: self.inner(input, hx))

    def with_lengths(self, input: Tensor, hx: tuple[Tensor, ...] | None, lengths: Tensor) -> Any:
        return self._recorded((input, hx, lengths), lambda: self.inner.with_lengths(input, hx, lengths))

    def _recorded(self, arguments: tuple[Any, ...], call: Callable[[], Any]) -> Any:
        if rounds_at_random():
            output, state = call()
            return output, state
        event = Event("call", self.number, frozen(arguments), grad=torch.is_grad_enabled(), around=surroundings())
        self.events.append(event)
        output, state = event.do(call)
        named = _named(f"output_{len(self.events)}", output)
        named |= {f"state_{len(self.events)}[{i}]": part for i, part in enumerate(state) if isinstance(part, Tensor)}
        event.values = {name: frozen(part) for name, part in named.items()}
        if self.log.moved is not None and self.log.moved[0] in named:
            output, state = self._moved(output, state)
        return output, state

    def _moved(self, output: Any, state: tuple[Any, ...]) -> Any:
        """The results of the last event with a number moved."""
        name = f"output_{len(self.events)}"
        if isinstance(output, PackedSequence):
            output = output._replace(data=self.log.given(f"{name}.data", output.data))
        elif isinstance(output, Tensor):
            output = self.log.given(name, output)
        states = (self.log.given(f"state_{len(self.events)}[{i}]", part) for i, part in enumerate(state))
        return output, tuple(states)

    @property
    def left_out(self) -> int:
        """Steps behind the longest sequence that the last output did not have."""
        return getattr(self.inner, "left_out", 0)

    def parameters(self) -> dict[str, Tensor]:
        found: dict[str, Tensor] = self.inner.parameters()
        return found

    def load(self, parameters: Mapping[str, Tensor]) -> None:
        event = Event("load", self.number, ({k: v.detach().clone() for k, v in parameters.items()},))
        self.events.append(event)
        event.do(lambda: self.inner.load(parameters))

    def train(self, mode: bool) -> None:
        self.inner.train(mode)
        self.events.append(Event("train", self.number, (mode,)))


def surroundings() -> tuple[str, ...]:
    """What a call is made in besides grad mode, as Python."""
    mode = _get_current_dispatch_mode()
    return (
        *(["FreshMemory(0.0)" if mode.value == 0.0 else "FreshMemory()"] if isinstance(mode, FreshMemory) else []),
        *(["torch.inference_mode()"] if torch.is_inference_mode_enabled() else []),
        *([f'torch.autocast("cpu", {torch.get_autocast_dtype("cpu")})'] if torch.is_autocast_enabled("cpu") else []),
    )


def _named(name: str, output: Any) -> dict[str, Tensor]:
    if isinstance(output, PackedSequence):
        return {f"{name}.data": output.data}
    return {name: output} if isinstance(output, Tensor) else {}


def recording(subject: Subject, moved: Place | None = None) -> tuple[Subject, Log]:
    """The subject with layers that write down, and where they write."""
    log = Log(moved)
    return replace(subject, build=_recorded_build(subject.build, None, log)), log


def _recorded_build(build: Any, form: Form | None, log: Log) -> Any:
    """The same, writing down what it builds, and what is built in other forms."""

    def built(config: Config, dtype: torch.dtype, device: torch.device) -> Layer:
        event = Event("build", len(log.layers) + 1, (config, dtype, device), seed=torch.initial_seed())
        log.events.append(event)
        layer = RecordedLayer(event.do(lambda: build(config, dtype, device)), log)
        event.form = None if form is None else (form, "" if hasattr(layer.module, ATTRIBUTE) else ".layer")
        return layer

    built.in_form = lambda form: _recorded_build(build.in_form(form), form, log)  # type: ignore[attr-defined]
    return built


class RecordedTrial(Trial):
    """A trial whose deeds are written down too, and what is done in turn.

    chosen: what is done of that; None where it is all
    """

    chosen: Sequence[str] | None = None
    turns: Sequence[str] = ()

    def in_turn(self, names: Sequence[str]) -> Sequence[str]:
        """As Trial.in_turn; what is chosen, where it is."""
        self.turns = names if self.chosen is None else self.chosen
        return self.turns

    def look(self, deed: Callable[..., Any], *arguments: Any) -> Any:
        """As Trial.look; the event says so."""
        result = self.do(deed, *arguments)
        for layer in arguments[:1]:
            if isinstance(layer, RecordedLayer) and not rounds_at_random():
                layer.events[-1].only_looks = True
        return result

    def do(self, deed: Callable[..., Any], *arguments: Any, doing: str = "calling", what: str = "") -> Any:
        """As Trial.do; the event gets the deed, its arguments, and all that came out, layers too."""
        layers = [part for part in arguments if isinstance(part, RecordedLayer)]
        inner = [part.inner if isinstance(part, RecordedLayer) else part for part in arguments]
        if not layers or rounds_at_random():
            return super().do(deed, *inner, doing=doing, what=what)
        log = layers[0].log
        events, around = log.events, () if self.case.training else ("torch.no_grad()",)
        given = [
            Shown(f"Layer(layer_{part.number})", part.number) if isinstance(part, RecordedLayer) else frozen(part)
            for part in arguments
        ]
        event = Event("deed", layers[0].number, (deed, *given), around=(*around, *surroundings()))
        events.append(event)
        result = super().do(lambda *inside: event.do(lambda: deed(*inside)), *inner, doing=doing, what=what)
        if isinstance(result, type(inner[0])):
            event.made = len(log.layers) + 1
            return RecordedLayer(result, log)
        event.note(f"result_{len(events)}", result)
        return result if log.moved is None else with_parts(f"result_{len(events)}", result, log.given)
