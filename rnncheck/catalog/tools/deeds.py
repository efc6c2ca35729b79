"""Deeds: functions of torch and Python alone that do something to a layer, as the checks do it and as scripts show it.

A check does one by ``trial.do(deed, layer, ...)``. Deeds that one family alone needs stand beside their check.
"""

import copy
import pickle
from typing import Any

import torch
from torch import Tensor

from rnncheck.core.subject import Layer
from rnncheck.running.backward import named_results


def copies(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return these tensors as they are now, whatever is written into them later."""
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def call_inputs(layer: Layer, x: Any, hx: Any, keeps_state: bool = False) -> dict[str, Tensor]:
    """Return all that a call reads, by name; not the buffers of a layer that keeps its state, which are its own."""
    found = {"input": x if isinstance(x, Tensor) else x.data, **{f"hx[{i}]": part for i, part in enumerate(hx or ())}}
    buffers = None if keeps_state else getattr(layer.module, "named_buffers", None)
    return {**found, **layer.parameters(), **dict(buffers() if buffers else ())}


def unpickled(layer: Layer) -> Layer:
    """Return a copy whose module was pickled and unpickled."""
    other = copy.copy(layer)
    other.module = pickle.loads(pickle.dumps(layer.module))  # type: ignore[misc]
    return other


def calls_that_differ(layer: Layer, x: Any, hx: Any, seed: int, number: int) -> list[int]:
    """Return which of ``number`` calls do not return what the first does, the random state set to the same seed before each."""
    runs = []
    for _ in range(number):
        torch.manual_seed(seed)
        runs.append(copies(named_results(layer(x, hx))))
    return [call for call, run in enumerate(runs) if not all(_same(run[name], part) for name, part in runs[0].items())]


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors hold the same numbers, NaN in the same places."""
    return torch.equal(one, other) or (one.shape == other.shape and bool(((one == other) | (one.isnan() & other.isnan())).all()))


def moved_by_state(layer: Layer, x: Any, hx: Any, other: Any, names: tuple[str, ...] | None = None) -> bool:
    """Return whether a call gives other results, or others of these names, from another state."""
    one, moved = (named_results(layer(x, state)) for state in (hx, other))
    return not all(torch.equal(part, moved[name]) for name, part in one.items() if names is None or name in names)
