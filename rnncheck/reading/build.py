"""Build a layer behind torch's call, as a reading says."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from rnncheck.core.config import Config
from rnncheck.core.subject import NotClaimed
from rnncheck.reading.adapter.adapted import HOW, Adapted, AdaptedWithLengths
from rnncheck.reading.adapter.arranged import Arranged, ArrangedWithLengths
from rnncheck.reading.calls.experiment import Sizes, Unreadable
from rnncheck.reading.read import read_again
from rnncheck.reading.reading import Reading

OBSERVED = ("tensors", "order", "states", "given", "output", "turned")
"""The parts of a call that are read again for other numbers of layers or directions, or with the other axis first."""


Maker = Callable[[Config, torch.dtype, torch.device], Any]


def behind_torchs_call(module: Any, reading: Reading, config: Config, make: Maker | None = None) -> Any:
    """Return the module as a layer that is called as torch's are; itself, where it is called so.

    make: builds the same module in another configuration; None for an object that exists already
    """
    if not reading.adapts:
        return module
    how = how_for(module, reading, config, make)
    lengths = bool(how.get("lengths"))
    if reading.arrangement is None:
        return (AdaptedWithLengths if lengths else Adapted)(module, config.hidden_size, **how)
    kind = ArrangedWithLengths if lengths else Arranged
    suffixes = [suffix for _, _, suffix in config.suffixes()]
    return kind(module, config.hidden_size, reading.arrangement.pieces, suffixes, **how)


def either_axes(reading: Reading) -> bool:
    """Whether the constructor says which axis is the batch."""
    return reading.batch_first is None and reading.called["input"] == "sequence"


def how_for(module: Any, reading: Reading, config: Config, make: Maker | None = None) -> dict[str, Any]:
    """Return how the module of this configuration is called: as read, its state looked at anew where it has another shape."""
    known = {**reading.called, "batch_first": config.batch_first if either_axes(reading) else reading.called["batch_first"]}
    otherwise = bool(known["turned"]) and known["batch_first"] != reading.called["batch_first"]
    key = (config.num_layers, config.directions, otherwise)
    the_same = known["states"] is None and not known["given"] and not known["output"] and not otherwise
    if the_same or key == (reading.layers, reading.directions, False):
        return known
    if key not in reading.seen:
        small = {**dict(zip(("input_size", "hidden_size"), reading.sizes, strict=True)), "batch_first": known["batch_first"]}
        told = config if make is None else config.but(**small)
        probe = copy.deepcopy(module) if make is None else make(told, torch.float64, torch.device("cpu"))
        probe = probe.double().eval() if isinstance(probe, nn.Module) else probe
        with torch.device("cpu"):
            sizes = Sizes(told.input_size, told.hidden_size, told.num_layers, told.directions)
            try:
                reading.seen[key] = {**HOW, **read_again(probe, known, sizes)}
            except Unreadable as error:
                raise NotClaimed(str(error)) from None
    return {**known, **{name: reading.seen[key][name] for name in OBSERVED}}
