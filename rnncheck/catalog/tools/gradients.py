"""What the properties of gradients compute and compare; None stands for a gradient through which nothing flows."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from rnncheck import oracle
from rnncheck.core.mismatch_text import Origins
from rnncheck.core.observation import Observation, every, identical, near
from rnncheck.core.run import Run
from rnncheck.core.subject import Layer
from rnncheck.running.measured_noise import least_gradient_budget
from rnncheck.running.trial import Trial, subject_boundary

Gradients = Mapping[str, Tensor | None]
AXES = {
    "input": ("time", "batch", "input"),
    "h_0": ("layers*directions", "batch", "features"),
    "c_0": ("layers*directions", "batch", "hidden"),
}
"""The axes of the gradients that are no parameter's."""
HERE = ("here", "in the case's own backward pass")
"""Where two sets of gradients are from, in words."""


def axes_of(name: str, gradient: Tensor) -> tuple[str, ...]:
    """The axes of a gradient, by the name of what it is the gradient of; a parameter has rows and columns."""
    return AXES.get(name, ("row", "column")[: gradient.dim()] if gradient.dim() <= 2 else ())


def agree(
    trial: Trial,
    actual: Gradients,
    expected: Gradients,
    weights: Run | None = None,
    *,
    why: str = "",
    sides: tuple[str, str] = HERE,
) -> Observation:
    """Two sets of gradients of this trial's loss are the same: twice the gradient budget, None as zero.

    sides: in words, where each is from
    """
    flows = [(name, g, other) for name, g in actual.items() if g is not None and (other := expected.get(name)) is not None]
    seen = every(identical(f"{why}gradient of {name}", g, other, axes_of(name, g)) for name, g, other in flows)
    if len(flows) == len(actual) and seen.same_bits:  # the budget is dear
        return seen

    def compared(budget: oracle.GradientBudget, *known: Gradients) -> Observation:
        zero = {name: torch.zeros_like(allowed) for name, allowed in budget.allowed.items()}
        return every(
            near(f"{why}gradient of {name}", _or(g, zero[name]), _or(expected.get(name), zero[name]),
                 2 * budget.allowed[name], axes_of(name, zero[name]), Origins(*sides, *(part[name] for part in known)))
            for name, g in actual.items()
        )  # fmt: skip

    if trial.subject.offers("load"):
        budget = trial.gradient_budget(weights)
        return compared(budget, budget.truth, budget.allowed)
    enough = compared(least_gradient_budget(trial, weights or trial.cotangents()))
    return enough if enough.holds else compared(trial.gradient_budget(weights))


def _or(gradient: Tensor | None, zero: Tensor) -> Tensor:
    return zero if gradient is None else gradient


def only(cotangents: Run, names: tuple[str, ...]) -> Run:
    """The cotangents of these parts; the others are zero."""
    return Run(**{name: part if name in names else torch.zeros_like(part) for name, part in cotangents.parts()})


def loss_of(run: Run, cotangents: Run, names: tuple[str, ...] = ("output", "h_n", "c_n")) -> Tensor:
    """The sum of these parts of the result times their cotangents; the others are not looked at."""
    weights = dict(cotangents.parts())
    with torch.enable_grad():
        return torch.stack([(part * weights[name]).sum() for name, part in run.parts() if name in names]).sum()


def leaves_of(trial: Trial) -> dict[str, Tensor]:
    """The input and the given states by name, as leaves that require gradients."""
    given = dict(zip(("h_0", "c_0"), trial.state or (), strict=False))
    return {name: tensor.detach().clone().requires_grad_() for name, tensor in ({"input": trial.x} | given).items()}


def states_in(leaves: Mapping[str, Tensor]) -> tuple[Tensor, ...] | None:
    """The state that the leaves make, None if there is none."""
    return tuple(leaves[name] for name in ("h_0", "c_0") if name in leaves) or None


def differentiable_run(trial: Trial, layer: Layer, x: Tensor, state: tuple[Tensor, ...] | None) -> Run:
    """A run that gradients flow through."""
    with torch.enable_grad():
        return trial.read(*trial.call_on(layer, x, state))


def gradients_through(
    trial: Trial,
    layer: Layer,
    forward: Callable[[Mapping[str, Tensor]], Run],
    cotangents: Run,
) -> Gradients:
    """The gradients of the loss of ``forward(leaves)``, by "input", "h_0", "c_0" and each parameter's name."""
    leaves = leaves_of(trial)
    with torch.enable_grad():
        run = forward(leaves)
    return _backward(loss_of(run, cotangents), leaves, layer.parameters())


def _backward(loss: Tensor, leaves: Mapping[str, Tensor], parameters: Mapping[str, Tensor]) -> Gradients:
    wanted = {**leaves, **{name: p for name, p in parameters.items() if p.requires_grad}}
    with subject_boundary("running backward"):
        found = torch.autograd.grad(loss, list(wanted.values()), allow_unused=True)
    return dict(zip(wanted, found, strict=True))


def within_budget(budget: oracle.GradientBudget, actual: Gradients, why: str = "") -> Observation:
    """Gradients are true within this budget; None as zero."""
    truth, allowed = budget.truth, budget.allowed
    zero = {name: torch.zeros_like(g) for name, g in truth.items()}
    return every(
        near(f"{why}gradient of {name}", _or(g, zero[name]), truth[name], allowed[name], axes_of(name, zero[name]))
        for name, g in actual.items()
    )
