"""What a property did with the subject: every build, load, train() and call, in order, with literal arguments."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from torch.utils._python_dispatch import _get_current_dispatch_mode

from rnncheck.adapters.forms import ATTRIBUTE, Form
from rnncheck.catalog.tools.fresh_memory import FreshMemory
from rnncheck.core.config import Config
from rnncheck.core.subject import Layer, Subject
from rnncheck.repro.events import Event, Shown, frozen
from rnncheck.running.random_rounding import rounds_at_random
from rnncheck.running.trial import Trial


class RecordedLayer:
    """A layer that writes down what is done with it; one that takes lengths is called with them, as it is by itself."""

    def __init__(self, inner: Any, layers: list[Layer], events: list[Event]) -> None:
        layers.append(inner)
        self.inner, self.layers, self.events = inner, layers, events
        self.number, self.module = len(layers), inner.module

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
        return output, state

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


def recording(subject: Subject) -> tuple[Subject, list[Event], list[Layer]]:
    """The subject with layers that write down, the events they write, and the layers themselves."""
    events: list[Event] = []
    layers: list[Layer] = []
    return replace(subject, build=_recorded_build(subject.build, None, events, layers)), events, layers


def _recorded_build(build: Any, form: Form | None, events: list[Event], layers: list[Layer]) -> Any:
    """The same, writing down what it builds, and what is built in other forms."""

    def built(config: Config, dtype: torch.dtype, device: torch.device) -> Layer:
        event = Event("build", len(layers) + 1, (config, dtype, device))
        events.append(event)
        layer = RecordedLayer(event.do(lambda: build(config, dtype, device)), layers, events)
        event.form = None if form is None else (form, "" if hasattr(layer.module, ATTRIBUTE) else ".layer")
        return layer

    built.in_form = lambda form: _recorded_build(build.in_form(form), form, events, layers)  # type: ignore[attr-defined]
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
        events, around = layers[0].events, () if self.case.training else ("torch.no_grad()",)
        given = [
            Shown(f"Layer(layer_{part.number})", part.number) if isinstance(part, RecordedLayer) else frozen(part)
            for part in arguments
        ]
        event = Event("deed", layers[0].number, (deed, *given), around=(*around, *surroundings()))
        events.append(event)
        result = super().do(lambda *inside: event.do(lambda: deed(*inside)), *inner, doing=doing, what=what)
        if isinstance(result, type(inner[0])):
            event.made = len(layers[0].layers) + 1
            return RecordedLayer(result, layers[0].layers, events)
        event.note(f"result_{len(events)}", result)
        return result
