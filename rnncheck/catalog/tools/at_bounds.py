"""Values that lie exactly at the bound near which most of them lie, ``high`` where their type has two, and values near it."""

import math

import torch
from torch import Tensor

from rnncheck.catalog.tools.conditions import has_a_bound
from rnncheck.catalog.tools.gradients import axes_of
from rnncheck.catalog.tools.moderate import finite_where_moderate
from rnncheck.core.observation import Observation, every, identical
from rnncheck.core.run import Run
from rnncheck.running.trial import Trial

AT, NEAR, NEARER = 1000.0, 9.0, 14.0
"""How far x is moved so that its value is at a bound, e^-12 of its range away from it, and e^-17."""
CLOSER = math.exp(NEAR - NEARER)
WHAT = "values at their bounds: "


def at_bounds(trial: Trial) -> Observation:
    """With some values at their bounds, results and gradients are finite where those near them lead to a limit.

    A result has a limit where it hardly moves from near to nearer. It has a slope there where it moves in proportion to how much
    nearer that is: x log(x) and a root have none at 0.
    """
    at, near, nearer = (trial.but(x=_moved(trial, away)) for away in (AT, NEAR, NEARER))
    limit, before = nearer.to("float64").run, near.to("float64").run
    settled = Run(*(torch.where(_settles(a, b), a, torch.nan) for (_, a), (_, b) in _pairs(limit, before)))
    seen = finite_where_moderate(at.run, settled, WHAT, ("at them", "near them in float64"))
    steady = all(bool(_in_proportion(*parts)) for parts in _thrice(at.to("float64").run, before, limit))
    if not (trial.case.training and seen.holds and steady and all(bool(part.isfinite().all()) for _, part in at.run.parts())):
        return seen
    found = ((name, g) for name, g in at.gradients(at.cotangents()).items() if g is not None)
    return seen & every(
        identical(f"{WHAT}gradient of {name} is finite", g.isfinite(), torch.ones_like(g, dtype=torch.bool), axes_of(name, g))
        for name, g in found
    )


def _moved(trial: Trial, away: float) -> Tensor:
    """The input with a third of its bounded values this way from their bounds, or from the upper one of two."""
    x, named = trial.x.clone(), trial.config.named
    for one in filter(has_a_bound, () if named is None else named.given_sequences):
        place = named.place(one)  # type: ignore[union-attr]
        drawn = trial.like(x[..., place], f"which values of {one.name} are at a bound")
        two = one.low is not None and one.high is not None
        x[..., place] = torch.where(drawn.abs() > 1, away if two else -away, x[..., place])
    return x


def _pairs(one: Run, other: Run) -> list[tuple[tuple[str, Tensor], tuple[str, Tensor]]]:
    return list(zip(one.parts(), other.parts(), strict=True))


def _thrice(*runs: Run) -> list[tuple[Tensor, Tensor, Tensor]]:
    return [(a, b, c) for (_, a), (_, b), (_, c) in zip(*(run.parts() for run in runs), strict=True)]


def _settles(nearer: Tensor, near: Tensor) -> Tensor:
    return (nearer - near).abs() <= 0.01 * (1 + near.abs())


def _in_proportion(at: Tensor, near: Tensor, nearer: Tensor) -> Tensor:
    """Whether all of it moves a hundred and fiftieth as far from nearer to the bound as from near to it, up to roundoff."""
    roundoff = 1e-12 * (1 + at.abs().max()) if at.numel() else 0.0
    return ((nearer - at).abs() <= 1.2 * CLOSER * (near - at).abs() + roundoff).all()
