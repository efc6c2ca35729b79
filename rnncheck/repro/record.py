"""What a property did with the subject: every build, load, train() and call, in order, with literal arguments."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from rnncheck.config import Config
from rnncheck.run import Run
from rnncheck.subject import Layer, Subject
from rnncheck.trial import Trial


@dataclass
class Event:
    """One thing done to one layer (``layer`` counts from 1). ``values`` are the tensors that came out, by expression."""

    kind: str
    layer: int
    arguments: tuple[Any, ...] = ()
    values: dict[str, Tensor] = field(default_factory=dict)
    error: BaseException | None = None
    grad: bool = False


def frozen(value: Any) -> Any:
    """A copy that later writes cannot change, with the same strides."""
    if isinstance(value, PackedSequence):
        return PackedSequence(*(frozen(part) for part in value))
    if isinstance(value, Tensor):
        plain = value.detach()
        return plain.clone() if plain.is_contiguous() and not plain.storage_offset() else plain
    return tuple(frozen(part) for part in value) if isinstance(value, tuple) else value


class RecordedLayer:
    """A layer that writes down what is done with it."""

    def __init__(self, inner: Layer, number: int, events: list[Event]) -> None:
        self.inner, self.number, self.events = inner, number, events
        self.module = inner.module

    def __call__(self, input: Any, hx: tuple[Tensor, ...] | None) -> Any:
        event = Event("call", self.number, (frozen(input), frozen(hx)), grad=torch.is_grad_enabled())
        self.events.append(event)
        try:
            output, state = self.inner(input, hx)
        except BaseException as error:
            event.error = error
            raise
        event.values = _named(f"output_{len(self.events)}", output) | {
            f"state_{len(self.events)}[{i}]": part.detach() for i, part in enumerate(state) if isinstance(part, Tensor)
        }
        return output, state

    def parameters(self) -> dict[str, Tensor]:
        return self.inner.parameters()

    def load(self, parameters: Mapping[str, Tensor]) -> None:
        self.inner.load(parameters)
        self.events.append(Event("load", self.number, ({k: v.detach().clone() for k, v in parameters.items()},)))

    def train(self, mode: bool) -> None:
        self.inner.train(mode)
        self.events.append(Event("train", self.number, (mode,)))


def _named(name: str, output: Any) -> dict[str, Tensor]:
    if isinstance(output, PackedSequence):
        return {f"{name}.data": output.data.detach()}
    return {name: output.detach()} if isinstance(output, Tensor) else {}


def recording(subject: Subject) -> tuple[Subject, list[Event], list[tuple[Layer, Config]]]:
    """The subject with layers that write down, the events they write, and the layers themselves."""
    events: list[Event] = []
    layers: list[tuple[Layer, Config]] = []
    build: Callable[..., Layer] = subject.build

    def built(config: Config, dtype: torch.dtype, device: torch.device) -> Layer:
        inner = build(config, dtype, device)
        layers.append((inner, config))
        events.append(Event("build", len(layers), (config, dtype, device)))
        return RecordedLayer(inner, len(layers), events)

    return replace(subject, build=built), events, layers


class RecordedTrial(Trial):
    """A trial whose gradients are written down too, as gradients of what the subject was given and returned."""

    def gradients(self, cotangents: Run, layer: Layer | None = None) -> dict[str, Tensor | None]:
        """As Trial.gradients; the event gets the cotangents of the call and the gradients that came out."""
        found = super().gradients(cotangents, layer)
        owner = layer or self.layer
        if isinstance(owner, RecordedLayer):
            given = (self.x, self.state, self.lengths, tuple(part for _, part in cotangents.parts()))
            number = len(owner.events) + 1
            owner.events.append(
                Event(
                    "gradients",
                    owner.number,
                    given,
                    {f"gradients_{number}[{name!r}]": value for name, value in found.items() if value is not None},
                )
            )
        return found
