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
    products = [(g.conj() * along[name]).real.sum() for name, g in zip(leaves, found, strict=True) if g is not None]
    return torch.stack(products).sum() if products else torch.zeros(())


def steepness(layer: Layer, x: Any, hx: Any, weights: dict[str, Tensor], more: Any) -> Tensor:
    """Return the sum of squares of the input's gradient: a penalty on it."""
    data = named_arguments(x, hx)["input"]
    (found,) = torch.autograd.grad(loss(layer, x, hx, weights, None), data, create_graph=True)
    return found.square().sum()


Value = Callable[[Layer, Any, Any, dict[str, Tensor], Any], Tensor]
"""A number that a call makes: of the layer, its input, hx, the weights of its results, and what else it takes."""

Moved = dict[str, tuple[Tensor, Tensor]]
"""Leaves by name, each with its direction."""


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

    def along(groups: dict[str, list[str]], step: float) -> dict[str, Observation]:
        wanted = (groups, trial.subject.of_its_own, step)
        found = trial.do(slopes, trial.layer, value, *given, *wanted, doing="running backward")
        return {
            group: near(f"{told} {group}", one["by backward"], one["by differences"], one["allowed"], sides=sides)
            for group, one in found.items()
        }

    seen, step = along(groups, STEP), STEP
    if not every(seen.values()).holds:
        if passes_straight_through(trial):
            raise NotClaimed(ESTIMATED)
        wrong = {group: groups[group] for group, one in seen.items() if not one.holds}
        step = trial.look(wide_enough, trial.layer, value, *given, list(wrong.values()))
        seen |= along(wrong, step) if step > STEP else {}
    return every(
        whole if whole.holds else blame(whole, along({name: [name] for name in groups[group]}, step).values())
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
    groups: dict[str, list[str]], may_be_flat: bool, step: float,
) -> dict[str, dict[str, Tensor]]:  # fmt: skip
    """Return the slope of a value along the directions of each group of leaves: by backward, by differences, and what is allowed.

    may_be_flat: whether the value may depend on no leaf: what is linear has one gradient, and differences must be 0 then
    step: how far the leaves are moved; over a wide one, half of the digits are roundoff's, and what the width does is measured
    """
    with torch.enable_grad():
        x, hx = as_leaves(x, hx)
        leaves = {**named_arguments(x, hx), **trained(layer)}
        at = value(layer, x, hx, weights, more)
        flat = may_be_flat and not at.requires_grad
        found = (None,) * len(leaves) if flat else torch.autograd.grad(at, list(leaves.values()), allow_unused=True)
    gradients, seen, at = dict(zip(leaves, found, strict=True)), {}, at.detach()
    for group, names in groups.items():
        products = [(g.conj() * directions[name]).real.sum() for name in names if (g := gradients[name]) is not None]
        slope = sum(products, at.new_zeros(())).detach()
        moved = {name: (leaves[name], directions[name]) for name in names}
        apart, uneven = of_two_sides(lambda: value(layer, x, hx, weights, more), at, moved, step)
        size = slope.abs() + at.abs() + 1e-9
        allowed = step * size + uneven.abs().clamp(max=size)
        if step > STEP:
            twice, more_uneven = of_two_sides(lambda: value(layer, x, hx, weights, more), at, moved, 2 * step)
            allowed = 32 * step**2 * size + (twice - apart).abs() + (more_uneven - 2 * uneven).abs().clamp(max=size)
        seen[group] = {"by backward": slope, "by differences": apart, "allowed": allowed}
    return seen


def of_two_sides(value: Callable[[], Tensor], at: Tensor, moved: Moved, step: float) -> tuple[Tensor, Tensor]:
    """Return the slope by differences to both sides, and how far those of one side are apart."""
    (above, below), length = (beside(value, moved, sign * step) for sign in (1, -1)), length_of(moved)
    return (above - below) / (2 * step) * length, (above - 2 * at + below) / step * length


def beside(value: Callable[[], Tensor], moved: Moved, step: float) -> Tensor:
    """Return a value with leaves moved by a step along their directions, all of it together; they are put back."""
    before = [leaf.detach().clone() for leaf, _ in moved.values()]
    with torch.no_grad():
        for leaf, direction in moved.values():
            leaf.add_(direction, alpha=step / length_of(moved))
    with torch.enable_grad():
        found = value().detach()
    with torch.no_grad():
        for (leaf, _), data in zip(moved.values(), before, strict=True):
            leaf.copy_(data)
    return found


def length_of(moved: Moved) -> float:
    """Return the length of a direction, and at least 1."""
    return max(1.0, math.hypot(*(float(direction.norm()) for _, direction in moved.values())))


def wide_enough(
    layer: Layer, value: Value, x: Any, hx: Any, weights: dict[str, Tensor], more: Any, directions: dict[str, Tensor],
    groups: list[list[str]],
) -> float:  # fmt: skip
    """Return the step over which differences of a value say most along these directions: wide, where it has few digits.

    What fourth differences leave of a smooth value is its roundoff. It errs least over a step that is the cube root of it.
    """
    x, hx = as_leaves(x, hx)
    leaves, roundoff = {**named_arguments(x, hx), **trained(layer)}, 0.0
    for names in groups:
        moved = {name: (leaves[name], directions[name]) for name in names}
        near = torch.stack([beside(lambda: value(layer, x, hx, weights, more), moved, 1e-3 * times) for times in range(-4, 5)])
        roundoff = max(roundoff, float(near.diff(n=4, dim=0).square().mean().sqrt() / (near.abs().max() + 1e-9)))
    return max(STEP, roundoff ** (1 / 3))
