"""Numbers that a dtype can hold: where one run has them, the other has no NaN and no inf."""

import torch
from torch import Tensor

from rnncheck.catalog.tools.gradients import axes_of
from rnncheck.core.mismatch_text import Origins
from rnncheck.core.observation import Observation, both, every, near
from rnncheck.core.run import Run
from rnncheck.running.trial import Trial


def finite_where_moderate(run: Run, other: Run, what: str, sides: tuple[str, str]) -> Observation:
    """The run is finite where the other's numbers are moderate: such that the run's dtype can hold the product of two of them."""
    most = torch.finfo(run.output.dtype).max

    def allowed(part: Tensor) -> Tensor:
        return torch.full_like(part, torch.inf, dtype=torch.float64).masked_fill(_moderate(part, most), most)

    return both(run, other, other.map(allowed), what, sides)


def finite_gradients_where_moderate(trial: Trial, what: str, sides: tuple[str, str]) -> Observation:
    """The gradients are finite where all results are moderate, and all gradients in float64."""
    most, double = torch.finfo(trial.x.dtype).max, trial.to("float64")
    results = [part for one in (trial, double) for _, part in one.run.parts()]
    if not all(bool(_moderate(part, most).all()) for part in results):
        return Observation()
    weights = trial.cotangents()
    expected = double.gradients(weights.map(Tensor.double))
    if not all(bool(_moderate(g, most).all()) for g in expected.values() if g is not None):
        return Observation()
    found = trial.gradients(weights)
    pairs = [(name, g, other) for name, g in found.items() if g is not None and (other := expected.get(name)) is not None]
    return every(near(f"{what}gradient of {name}", g, other, most, axes_of(name, g), Origins(*sides)) for name, g, other in pairs)


def _moderate(part: Tensor, most: float) -> Tensor:
    return part.double().abs() <= most**0.5


def saturating_input(trial: Trial) -> Tensor:
    """Input of some tens, with which 1 - sigmoid(x) is 0 in float32 and not in float64."""
    return trial.like(trial.x, "saturating x", 2.0 ** trial.draw("scale", 3, 6))


def far_from_bounds(trial: Trial) -> Tensor:
    """The same up to 24, with which no sigmoid is 0 or 1 in float64; values that have a bound lie far from it, or as they did.

    A value that float32 rounds to its bound may have no slope there, as a root has none.
    """
    x, named = saturating_input(trial).clamp(-24, 24), trial.config.named
    for one in named.given_sequences if named is not None else ():
        place = named.place(one)  # type: ignore[union-attr]
        if one.low is not None and one.high is not None:
            x[..., place] = trial.x[..., place]
        elif one.low is not None or one.high is not None:
            x[..., place] = x[..., place].abs()
    return x


def reached_state(trial: Trial) -> tuple[Tensor, ...] | None:
    """The state behind one step of a recurrence of its own, which may take positive ones alone, say; None for torch's."""
    if trial.subject.of_its_own and trial.subject.offers("state") and trial.subject.offers("hx_none"):
        return trial.but(x=trial.x[:1], state=None, lengths=trial.lengths and (1,) * trial.batch).run.state
    return None
