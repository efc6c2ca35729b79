"""What the properties of the family step compare."""

from collections.abc import Mapping
from math import inf

import torch
from torch import Tensor

from rnncheck.core.observation import Observation, equal, every, identical, near, within
from rnncheck.core.property import Condition
from rnncheck.running.clip_truth import unit_roundoff
from rnncheck.running.step_trial import Session, Stepped, StepTrial
from rnncheck.running.step_truth import length

bounded_case = Condition("max_norm below infinity", lambda case: case.bound < inf)
several_rows = Condition("two rows or more", lambda case: case.rows > 1)


def plain(trial: StepTrial) -> StepTrial:
    """The case under SGD: what is applied shows in the parameters."""
    return trial if trial.case.optimizer == "SGD" else trial.but(optimizer="SGD", kernels="loop")


def displaced(stepped: Stepped, prefix: str = "") -> Observation:
    """Each parameter is where SGD leads it with the clipped gradient of the whole batch."""
    return every(
        near(f"{prefix}{name} after the step", stepped.after[name].double().cpu(), *stepped.right(name))
        for name in stepped.truth.gradient
    )


def within_bound(stepped: Stepped) -> Observation:
    """What was applied has at most the norm max_norm."""
    truth = stepped.truth
    rounding = {name: truth.allowed(name) + stepped.stored(name) / stepped.rates[name] for name in truth.gradient}
    size = torch.tensor(length({name: stepped.moved(name) for name in truth.gradient}), dtype=torch.float64)
    return within("norm of what was applied", size, 0.0, truth.max_norm, length(rounding))


def same_direction(stepped: Stepped) -> Observation:
    """What was applied is a multiple of the whole batch's gradient."""
    truth = stepped.truth
    if not truth.norm:
        return Observation()
    applied, size = {name: stepped.moved(name) for name in truth.gradient}, min(truth.max_norm, truth.norm)
    rounding = {name: truth.allowed(name) + stepped.stored(name) / stepped.rates[name] for name in applied}
    off, own = 2 * length(rounding) / size, length(applied)
    if own == 0.0:
        return equal("what was applied", "nothing at all", "the clipped gradient")
    return every(near(f"direction of {name}", applied[name] / own, truth.gradient[name] / truth.norm, off) for name in applied)


def remembered(stepped: Stepped, optimizer: str, prefix: str = "") -> Observation:
    """The optimizer's state has the clipped gradient in it."""
    return every(_kept(stepped, optimizer, name, prefix) for name in stepped.truth.gradient)


def _kept(stepped: Stepped, optimizer: str, name: str, prefix: str) -> Observation:
    kept, before = stepped.state.get(name, {}), stepped.state_before.get(name, {})
    right, off = stepped.truth.applied(name), stepped.truth.allowed(name)
    unit = 4 * unit_roundoff(stepped.after[name].dtype)
    if optimizer == "momentum":
        old = _before(before, "momentum_buffer", right) * 0.5
        return _near(kept, "momentum_buffer", old + right, off + unit * (old.abs() + right.abs()), f"{prefix}{name}")
    first, second = _before(before, "exp_avg", right) * 0.9, _before(before, "exp_avg_sq", right) * 0.999
    square = 2 * right.abs() * off + off**2
    return _near(kept, "exp_avg", first + 0.1 * right, 0.1 * off + unit * (first.abs() + right.abs()), f"{prefix}{name}") & _near(
        kept, "exp_avg_sq", second + 1e-3 * right**2, 1e-3 * square + unit * (second + right**2), f"{prefix}{name}"
    )


def _before(state: Mapping[str, Tensor], key: str, like: Tensor) -> Tensor:
    return state[key].double().cpu() if key in state else torch.zeros_like(like)


def _near(kept: Mapping[str, Tensor], key: str, expected: Tensor, allowed: Tensor, name: str) -> Observation:
    if key not in kept:
        return equal(f"{key} of {name}", "nothing: the optimizer made no step", "the clipped gradient")
    return near(f"{key} of {name}", kept[key].double().cpu(), expected, allowed)


def untouched(stepped: Stepped, prefix: str) -> Observation:
    """Parameters and optimizer state are what they were, bit for bit."""
    same = every(identical(f"{prefix}{name}", stepped.after[name], value) for name, value in stepped.before.items())
    if stepped.state.keys() != stepped.state_before.keys():
        return same & equal(f"{prefix}optimizer state", "another one", "the same")
    return same & every(
        identical(f"{prefix}{key} of {name}", stepped.state[name][key], value)
        for name, kept in stepped.state_before.items() for key, value in kept.items()
    )  # fmt: skip


def poisoned(session: Session) -> list[Tensor]:
    """The case's micro-batches with a number in the first that is infinite."""
    first, *others = (batch.clone() for batch in session.trial.batches)
    first[0, 0] = inf
    return [first, *others]


def told_norm(stepped: Stepped) -> Observation:
    """The returned norm is that of the whole batch's gradient."""
    truth, told = stepped.truth, stepped.norm
    expected = torch.tensor(truth.norm, dtype=torch.float64)
    rounding = (truth.relative + 2 * unit_roundoff(torch.float32)) * truth.norm
    return near("returned norm", told.double().cpu(), expected, rounding)
