"""How often, and where, calls of a stack of panes drop values: a deed, as its check does it and as a script shows it.

Each value of the output tells whether it was dropped anywhere on its way, and each layer's h_n tells it of the last step.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from rnncheck.catalog.tools.significance import chance_says
from rnncheck.core.subject import Layer
from rnncheck.running.backward import named_results

LAGS = tuple(2**k for k in range(12))
"""How far apart two values are that may share a random number: vectors, and counters that begin again, have a power of two."""
LOCKED = "one mask for all steps"
"""What is said of variational dropout."""
ALONG = ("time", "batch", "direction", "features", "memory", "memory, batch first")
"""The axes of a mask, and its memory, along which values are compared."""
Parts = dict[str, Tensor]
"""Numbers of the output, and of each layer's h_n, by name: (time, batch, direction, features)."""
Chances = dict[str, float]
"""By part, the probability that a value is kept all the way."""
Counts = dict[str, tuple[int, int, float]]
"""By what is counted: how many there are, among how many, and the probability of each."""


def dropout_in_calls(layer: Layer, x: Any, hx: Any, seed: int, layers: int, directions: int, keep: float,
                     batch_first: bool) -> dict[str, Any]:  # fmt: skip
    """Return of a first and a second call, one after eval and one without gradients which values are kept, and how many.

    locked: whether all steps share a mask, so that only the first step is counted
    counts: in groups, what is counted and what is found; where the first of a group is not as chance has it, the others tell more
    """
    torch.manual_seed(seed)
    calls = four_calls(layer, x, hx)
    parts = {call: in_parts(results, x, (layers, directions), batch_first) for call, results in calls.items()}
    masks = {call: {name: part != 0 for name, part in one.items()} for call, one in parts.items()}
    locked = all(bool((one["output"] == one["output"][:1]).all()) for one in masks.values())
    masks = {call: {name: mask[:1] if locked else mask for name, mask in one.items()} for call, one in masks.items()}
    chances = {"output": keep ** (layers - 1), **{f"h_n of layer {k}": keep**k for k in range(layers)}}
    groups = [between_calls(masks["first call"], masks["second call"], chances)]
    for call, one in masks.items():
        groups += [*shares(one, call, chances), *(apart(one, call, chances, lag, along) for along in ALONG for lag in LAGS)]
    told = [{what: chance_says(*count) for what, count in group.items()} for group in groups]
    return {
        "kept": {f"{name}, {call}": extremes(name, part) for call, one in parts.items() for name, part in one.items()},
        "counts": [{what: found for what, (found, _) in group.items()} for group in told],
        "locked": locked and layers > 1,
        "by chance": [{what: should for what, (_, should) in group.items()} for group in told],
    }


def four_calls(layer: Layer, x: Any, hx: Any) -> dict[str, dict[str, Tensor]]:
    """Return the results of a first and a second call, of one after eval, and of one without gradients."""
    found = {call: named_results(layer(x, hx)) for call in ("first call", "second call")}
    layer.train(False)
    layer(x, hx)
    layer.train(True)
    found["call after eval"] = named_results(layer(x, hx))
    with torch.no_grad():
        found["call under no_grad"] = named_results(layer(x, hx))
    return found


def in_parts(results: dict[str, Tensor], x: Any, sizes: tuple[int, int], batch_first: bool) -> Parts:
    """Return the output, then each layer's h_n; packed, without the sequence that is shorter."""
    output, h_n = results["output"], results.get("h_n")
    if isinstance(x, PackedSequence):
        output, lengths = pad_packed_sequence(PackedSequence(output, *x[1:]))
        whole = lengths == len(output)
        output, h_n = output[:, whole], h_n if h_n is None else h_n[:, whole]
    elif batch_first:
        output = output.transpose(0, 1)
    of_layers = () if h_n is None else h_n.unflatten(0, sizes)
    found = {f"h_n of layer {k}": part.transpose(0, 1).unsqueeze(0) for k, part in enumerate(of_layers)}
    return {"output": output.unflatten(-1, (sizes[1], -1)), **found}


def extremes(name: str, part: Tensor) -> dict[str, Tensor]:
    """Return the smallest and the largest value that was not dropped; the first layer drops none."""
    kept = part.flatten() if name == "h_n of layer 0" else part[part != 0]
    return {"smallest": kept.min(), "largest": kept.max()} if kept.numel() else {}


def shares(masks: Parts, call: str, chances: Chances) -> Iterator[Counts]:
    """Yield how many values are kept in each part, and in each direction of it."""
    for name, mask in masks.items():
        what, chance = f"values kept in {name}, {call}", chances[name]
        directions = zip(("forward", "reverse"), mask.unbind(2), strict=False) if mask.shape[2] > 1 else ()
        each = {f"{what}, {way}": (int(one.sum()), one.numel(), chance) for way, one in directions}
        yield {what: (int(mask.sum()), mask.numel(), chance), **each}


def apart(masks: Parts, call: str, chances: Chances, lag: int, along: str) -> Counts:
    """Return how many pairs of values are both kept or both dropped that lie this far apart along an axis, or in memory."""
    where = f"equal masks {lag} apart along {along}"
    return {
        f"{where}, in {name}, {call}": equals(*pairs(mask_along(mask, along), lag), chances[name]) for name, mask in masks.items()
    }


def mask_along(mask: Tensor, along: str) -> Tensor:
    """Return the mask with the axis in front along which values are compared."""
    if along.startswith("memory"):
        return (mask if along == "memory" else mask.transpose(0, 1)).flatten()
    return mask.movedim(ALONG.index(along), 0)


def pairs(mask: Tensor, lag: int) -> tuple[Tensor, Tensor]:
    """Return elements of the first axis, and those ``lag`` after them; each is in one pair at most."""
    number = len(mask) // (2 * lag)
    one, other = mask[: 2 * lag * number].unflatten(0, (number, 2, lag)).unbind(1)
    return one, other


def between_calls(first: Parts, second: Parts, chances: Chances) -> Counts:
    """Return how many values are both kept or both dropped in two calls."""
    return {f"equal masks in two calls, in {name}": equals(mask, second[name], chances[name]) for name, mask in first.items()}


def equals(one: Tensor, other: Tensor, chance: float) -> tuple[int, int, float]:
    """Return how many values of two masks are equal, among how many, and the probability of that."""
    return int((one == other).sum()), one.numel(), chance**2 + (1 - chance) ** 2
