"""A call of a layer that is written by hand, as it was read: its input, state and result as torch's layers have them."""

import copy
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from rnncheck.adapters.instance import Instance
from rnncheck.adapters.targets import resolve
from rnncheck.adapters.targets.locate import Located
from rnncheck.core.config import Config, Mode
from rnncheck.core.features import FEATURES
from rnncheck.core.kinds import RESET_AFTER, kind_of
from rnncheck.core.subject import Claim, Subject
from rnncheck.nn.base import Recurrent
from rnncheck.reading import Reading
from rnncheck.reading.adapter.adapted import FLAT, PICTURE, Adapted, at
from rnncheck.reading.build import how_for
from rnncheck.reading.calls.results import value_at
from rnncheck.reading.parameters.parameter_names import match, own_parameters
from rnncheck.reading.target import read_target
from rnncheck.running.subject_errors import subject_boundary


class NotComparable(Exception):
    """A call that cannot be compared with a reference; the message says why."""


@dataclass(frozen=True)
class AsRead:
    """One call as torch's layers would have been called: in the layer's own layout, by a subject of the call's configuration."""

    subject: Subject
    input: Tensor
    hx: Any
    result: Any


_readings: dict[tuple[type, tuple[Mode, ...]], Reading | None] = {}
"""What was read of a class, looked for once."""


def reading_of(kind: type, reference: Any) -> Reading | None:
    """Return how the layers of a class are built and called; None where that is as torch's are, or where they cannot be read."""
    if issubclass(kind, nn.RNNBase | Recurrent):
        return None
    modes = resolve.subjects(reference)[0].modes
    if (kind, modes) not in _readings:
        try:
            with subject_boundary("reading"):
                found = read_target(kind, reference=modes)
        except Exception:  # it is called as torch's layers are, or the comparison says what is wrong
            found = None
        _readings[kind, modes] = None if found is None or found.as_torchs and not found.batch_first else found
    return _readings[kind, modes]


def call_as_read(layer: nn.Module, reading: Reading, reference: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any],
                 result: Any) -> AsRead | None:  # fmt: skip
    """Return a call as it was read; None of a layer that draws random numbers. Raises NotComparable."""
    how = reading.called
    if how["eval"] and layer.training:
        return None
    unusual = [word for word in ("last", "reverse", "ids", "merged", "turned", "images", "nodes") if how[word]]
    if how["input"] in ("step", PICTURE, FLAT) or how["features"] is not None or unusual:
        raise NotComparable(f"read as {reading.words()}, it gives other results than torch's layers")
    given = inspect.signature(type(layer).forward).bind(layer, *args, **kwargs).arguments
    first = how["input_name"] or list(given)[1]
    others = [name for name in list(given)[1:] if name != first]
    if how["lengths"] and given.get(how["lengths"][0]) is not None:
        raise NotComparable(f"calls with {how['lengths'][0]} are not compared")
    x = given[first].transpose(-1, -2) if how["input"] == "channels first" else given[first]
    config = _config(layer, reading, reference, x, at(result, how["output"]))
    called = how_for(layer, reading, config)
    as_torchs = {**called, "reset": None, "eval": False}
    own = Adapted(lambda *given, **named: result, config.hidden_size, **as_torchs)
    located = Located(copy.deepcopy(layer), type(layer).__name__)
    subject = Subject(
        located.name, "layer", Instance(located, reading=reading), (config.mode,),
        {feature: Claim(True, "declared") for feature in FEATURES}, fixed=config,
    )  # fmt: skip
    return AsRead(subject, x, _state(called, config, given, others), own(x))


def _config(layer: nn.Module, reading: Reading, reference: Any, x: Tensor, output: Tensor) -> Config:
    """The configuration of this very layer: its sizes are those of the call."""
    arrangement, asked = reading.arrangement, resolve.subjects(reference)[0].modes
    modes = (arrangement.mode,) if arrangement else tuple(mode for mode in asked if len(kind_of(mode).states) == 1 + reading.pair)
    if not modes or (arrangement is not None and arrangement.mode not in asked):
        raise NotComparable("its equations are not those of the reference")
    both = bool(reading.nature.get("bidirectional") or getattr(layer, "bidirectional", False) is True)
    layers = getattr(layer, "num_layers", 1)
    channels = -2 if reading.called["input"] == "channels first" else -1
    told = getattr(layer, "batch_first", False) is True
    config = Config(
        modes[0], x.shape[-1], output.shape[channels] // (2 if both else 1), num_layers=layers if type(layers) is int else 1,
        bidirectional=both, batch_first=told if reading.batch_first is None else reading.batch_first,
        bias=arrangement.bias if arrangement else getattr(layer, "bias", True) is not False,
    )  # fmt: skip
    if arrangement is not None and config.kind.has(RESET_AFTER):
        config = config.but(reset_after=arrangement.reset_after)
    if arrangement is None and match(own_parameters(layer), config) is None:
        raise NotComparable("its parameters are not found to hold torch's")
    return config


def _state(how: Mapping[str, Any], config: Config, given: Mapping[str, Any], others: list[str]) -> Any:
    """The state that was given, as torch's layers take it; None where none was."""
    found: dict[int, Tensor] = {}
    for keyword, structure in how["given"]:
        value = given.get(keyword or next(iter(others), ""))
        if value is None:
            return None
        _collect(structure, value, found)
    tensors = [found[number] for number in sorted(found)]
    paths = [[number] for number in range(len(tensors))]
    return Adapted(None, config.hidden_size, **{**how, "states": paths}).final(tensors) if tensors else None


def _collect(structure: Any, value: Any, found: dict[int, Tensor]) -> None:
    """Note the tensors of a state by their numbers: rnncheck.reading.adapter.adapted.rebuilt, read the other way."""
    if isinstance(structure, int):
        found[structure] = value
        return
    kind, *inner = structure
    named = enumerate(inner) if kind in ("tuple", "list") else inner
    for name, one in named:
        _collect(one, value_at(value, (name,)), found)
