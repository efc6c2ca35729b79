"""Derivatives against differences: (f(v + e d) - f(v - e d)) / 2e in float64, on data where differences are exact enough."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from rnncheck.catalog.tools.gradients import differentiable_run, leaves_of, loss_of, states_in
from rnncheck.catalog.tools.informative_data import enlivened, small_and_lively
from rnncheck.core.mismatch_text import Origins
from rnncheck.core.observation import Observation, blame, every, near
from rnncheck.running.trial import Trial, subject_boundary

STEP = 1e-5
"""How far the data is moved, all of it together: differences err by the square of it, and by the roundoff of the value over it."""


def in_double(trial: Trial) -> Trial:
    """A small trial on lively data in float64: rectifiers stay away from their kink, and all is of order 1."""
    return _doubled(small_and_lively(trial))


def whole_in_double(trial: Trial) -> Trial:
    """The same with all the steps and sequences of the case, each of all steps if the case is packed."""
    return _doubled(enlivened(trial, trial.time, trial.batch, (trial.time,) * trial.batch))


def _doubled(t: Trial) -> Trial:
    parameters = {name: p.double() for name, p in t.parameters.items()}
    state = t.state and tuple(map(Tensor.double, t.state))
    return t.but(dtype="float64", x=t.x.double(), state=state, parameters=parameters)


def everything(trial: Trial) -> dict[str, Tensor]:
    """The leaves of the trial: new ones for input and states, and the live parameters of its layer."""
    parameters = {name: p for name, p in trial.layer.parameters().items() if p.requires_grad}
    return {**leaves_of(trial), **parameters}


def loss(trial: Trial, leaves: Mapping[str, Tensor]) -> Tensor:
    """A generic weighted sum of all results."""
    return loss_of(differentiable_run(trial, trial.layer, leaves["input"], states_in(leaves)), trial.cotangents())


def slope_of_loss(trial: Trial, leaves: Mapping[str, Tensor]) -> Tensor:
    """The derivative of the loss along a generic direction of all leaves; can be differentiated again."""
    with torch.enable_grad(), subject_boundary("running backward"):
        found = torch.autograd.grad(loss(trial, leaves), list(leaves.values()), create_graph=True, allow_unused=True)
        pairs = zip(leaves.items(), found, strict=True)
        return sum((_dot(g, trial.like(leaf, f"along {name}")) for (name, leaf), g in pairs if g is not None), torch.zeros(()))


def steepness(trial: Trial, leaves: Mapping[str, Tensor]) -> Tensor:
    """The sum of squares of the input's gradient: a penalty on it."""
    with torch.enable_grad(), subject_boundary("running backward"):
        (found,) = torch.autograd.grad(loss(trial, leaves), leaves["input"], create_graph=True)
        return found.square().sum()


def as_differences(
    trial: Trial, value: Callable[[Trial, Mapping[str, Tensor]], Tensor], what: str, wanted: tuple[str, ...] = ()
) -> Observation:
    """The gradients of ``value``, along generic directions of the input, each state, and all parameters, are differences.

    Where that of all parameters is not, each is looked at alone, to name those that are wrong. How far the differences to the two
    sides are apart is allowed, as a kink there may account for it.

    wanted: the names of those that are looked at; all unless said
    """
    leaves = everything(trial)
    directions = {name: trial.like(leaf, f"direction of {name}") for name, leaf in leaves.items()}
    at = value(trial, leaves)
    with subject_boundary("running backward"):
        flat = trial.subject.of_its_own and not at.requires_grad  # what is linear has one gradient: differences must be 0 then
        found = (None,) * len(leaves) if flat else torch.autograd.grad(at, list(leaves.values()), allow_unused=True)
    gradients = dict(zip(leaves, found, strict=True))
    groups = {name: [name] for name in leaves if name in ("input", "h_0", "c_0")}
    groups["parameters"] = [name for name in leaves if name not in groups]
    groups = {group: names for group, names in groups.items() if not wanted or group in wanted}

    def along(group: str, names: list[str]) -> Observation:
        slope = sum((_dot(g, directions[name]) for name in names if (g := gradients[name]) is not None), at.new_zeros(()))
        step = STEP / max(1.0, math.hypot(*(float(directions[name].norm()) for name in names)))
        with _moved(leaves, directions, names, step):
            above = value(trial, leaves).detach()
        with _moved(leaves, directions, names, -step):
            below = value(trial, leaves).detach()
        size = slope.abs() + at.detach().abs() + 1e-9
        uneven = (above - 2 * at.detach() + below).abs() / step
        allowed = STEP * size + uneven.clamp(max=size)
        told, sides = f"slope of the {what} along a random direction of {group}", Origins("by backward", "by differences")
        return near(told, slope.detach(), (above - below) / (2 * step), allowed, sides=sides)

    return every(blame(along(group, names), (along(n, [n]) for n in names)) for group, names in groups.items() if names)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum()


@contextmanager
def _moved(leaves: Mapping[str, Tensor], directions: Mapping[str, Tensor], names: list[str], step: float) -> Iterator[None]:
    """Inside, these leaves lie one step further in their directions."""
    before = {name: leaves[name].detach().clone() for name in names}
    with torch.no_grad():
        for name in names:
            leaves[name].add_(directions[name], alpha=step)
    try:
        yield
    finally:
        with torch.no_grad():
            for name, old in before.items():
                leaves[name].copy_(old)
