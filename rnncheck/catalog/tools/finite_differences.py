"""Derivatives against differences: (f(v + e d) - f(v - e d)) / 2e in float64, on data where differences are exact enough."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rnncheck.catalog.tools.informative_data import enlivened, small_and_lively
from rnncheck.catalog.tools.straight_through import passes_straight_through
from rnncheck.core.mismatch_text import Origins
from rnncheck.core.observation import Observation, blame, every, near
from rnncheck.core.subject import Layer, NotClaimed
from rnncheck.running.backward import RESULTS, as_leaves, named_arguments, named_results, trained, weighted_sum
from rnncheck.running.trial import Trial

STEP = 1e-5
"""How far the data is moved, all of it together: differences err by the square of it, and by the roundoff of the value over it."""
ESTIMATED = "it rounds values and passes gradients straight through them, so that its gradients are estimates and no slopes"


def in_double(trial: Trial) -> Trial:
    """A small trial on lively data in float64: rectifiers stay away from their kink, and all is of order 1."""
    return small_and_lively(trial).to("float64")


def whole_in_double(trial: Trial) -> Trial:
    """The same with all the steps and sequences of the case, each of all steps if the case is packed."""
    return enlivened(trial, trial.time, trial.batch, (trial.time,) * trial.batch).to("float64")


def loss(layer: Layer, x: Any, hx: Any, weights: dict[str, Tensor], more: Any) -> Tensor:
    """Return the weighted sum of a call's results."""
    return weighted_sum(named_results(layer(x, hx)), weights)


def slope_of_loss(layer: Layer, x: Any, hx: Any, weights: dict[str, Tensor], along: Any) -> Tensor:
    """Return the derivative of the loss along these directions of all leaves; it can be differentiated again."""
    leaves = {**named_arguments(x, hx), **trained(layer)}
    found = torch.autograd.grad(loss(layer, x, hx, weights, None), list(leaves.values()), create_graph=True, allow_unused=True)
    products = [(g * along[name]).sum() for name, g in zip(leaves, found, strict=True) if g is not None]
    return torch.stack(products).sum() if products else torch.zeros(())


def steepness(layer: Layer, x: Any, hx: Any, weights: dict[str, Tensor], more: Any) -> Tensor:
    """Return the sum of squares of the input's gradient: a penalty on it."""
    data = named_arguments(x, hx)["input"]
    (found,) = torch.autograd.grad(loss(layer, x, hx, weights, None), data, create_graph=True)
    return found.square().sum()


Value = Callable[[Layer, Any, Any, dict[str, Tensor], Any], Tensor]
"""A number that a call makes: of the layer, its input, hx, the weights of its results, and what else it takes."""


def as_differences(
    trial: Trial, value: Value, what: str, wanted: tuple[str, ...] = (), names: tuple[str, ...] = RESULTS, more: Any = None
) -> Observation:
    """The gradients of ``value``, along generic directions of the input, each state, and all parameters, are differences.

    Where that of all parameters together is not, each parameter is looked at alone, to name the wrong ones. How far the
    differences to the two sides are apart is allowed, as a kink there may account for it. Raises NotClaimed where gradients
    differ that a straight-through estimator makes.

    wanted: the names of those that are looked at; all unless said; names: the results that the loss is of; more: what value takes
    """
    directions = directions_of(trial, "direction of")
    groups = {name: [name] for name in directions if name in ("input", "h_0", "c_0")}
    groups["parameters"] = [name for name in directions if name not in groups]
    groups = {group: each for group, each in groups.items() if each and (not wanted or group in wanted)}
    given = (*trial.leaves, trial.as_returned(trial.cotangents(), names), more, directions)
    told, sides = f"slope of the {what} along a random direction of", Origins("by backward", "by differences")

    def along(groups: dict[str, list[str]]) -> dict[str, Observation]:
        found = trial.do(slopes, trial.layer, value, *given, groups, trial.subject.of_its_own, doing="running backward")
        return {
            group: near(f"{told} {group}", one["by backward"], one["by differences"], one["allowed"], sides=sides)
            for group, one in found.items()
        }

    seen = along(groups)
    if not every(seen.values()).holds and passes_straight_through(trial):
        raise NotClaimed(ESTIMATED)
    return every(
        whole if whole.holds else blame(whole, along({name: [name] for name in groups[group]}).values())
        for group, whole in seen.items()
    )


def directions_of(trial: Trial, what: str) -> dict[str, Tensor]:
    """A generic direction of each leaf, in the layer's own layout."""
    given = zip(("h_0", "c_0"), trial.state or (), strict=False)
    state = tuple(trial.like(part, f"{what} {name}") for name, part in given) or None
    own = named_arguments(*trial.lay_out(trial.like(trial.x, f"{what} input"), state))
    return {**own, **{name: trial.like(p.detach(), f"{what} {name}") for name, p in trained(trial.layer).items()}}


def slopes(
    layer: Layer, value: Value, x: Any, hx: Any, weights: dict[str, Tensor], more: Any, directions: dict[str, Tensor],
    groups: dict[str, list[str]], may_be_flat: bool,
) -> dict[str, dict[str, Tensor]]:  # fmt: skip
    """Return the slope of a value along the directions of each group of leaves: by backward, by differences, and what is allowed.

    may_be_flat: whether the value may depend on no leaf: what is linear has one gradient, and differences must be 0 then
    """
    with torch.enable_grad():
        x, hx = as_leaves(x, hx)
        leaves = {**named_arguments(x, hx), **trained(layer)}
        at = value(layer, x, hx, weights, more)
        flat = may_be_flat and not at.requires_grad
        found = (None,) * len(leaves) if flat else torch.autograd.grad(at, list(leaves.values()), allow_unused=True)
    gradients, seen = dict(zip(leaves, found, strict=True)), {}
    for group, names in groups.items():
        products = [(g * directions[name]).sum() for name in names if (g := gradients[name]) is not None]
        slope = sum(products, at.new_zeros(())).detach()
        step = STEP / max(1.0, math.hypot(*(float(directions[name].norm()) for name in names)))
        values = []
        for sign in (1, -1):
            before = {name: leaves[name].detach().clone() for name in names}
            with torch.no_grad():
                for name in names:
                    leaves[name].add_(directions[name], alpha=sign * step)
            with torch.enable_grad():
                values.append(value(layer, x, hx, weights, more).detach())
            with torch.no_grad():
                for name in names:
                    leaves[name].copy_(before[name])
        above, below = values
        size = slope.abs() + at.detach().abs() + 1e-9
        uneven = (above - 2 * at.detach() + below).abs() / step
        allowed = STEP * size + uneven.clamp(max=size)
        seen[group] = {"by backward": slope, "by differences": (above - below) / (2 * step), "allowed": allowed}
    return seen
