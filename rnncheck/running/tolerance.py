"""Truth and allowed error of a trial: from the oracle, or measured on the subject itself where its parameters cannot be set."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from rnncheck import oracle
from rnncheck.core.config import Config
from rnncheck.core.run import Run
from rnncheck.running.measured_noise import noise_budget, noise_gradient_budget

if TYPE_CHECKING:
    from rnncheck.running.trial import Trial


Given = tuple[Config, Mapping[str, Tensor], Tensor, Tensor | None, Tensor | None, tuple[int, ...] | None]


class Unmeasurable(Exception):
    """No truth can be had for this trial (random dropout, parameters that cannot be set); a property's own mistake."""


def budget_of(trial: "Trial") -> oracle.Budget:
    """Of the trial's run."""
    _require_one_truth(trial)
    if not trial.subject.offers("load"):
        return noise_budget(trial)
    return oracle.budget(*_given(trial), rounding=rounding_of(trial), seed=trial.case.seed)


def truth_of(trial: "Trial") -> Run:
    """The truth of the trial's run alone, in float64."""
    _require_one_truth(trial)
    return oracle.truth(*_given(trial))


def gradient_budget_of(trial: "Trial", cotangents: Run) -> oracle.GradientBudget:
    """Of the trial's gradients(cotangents)."""
    _require_one_truth(trial)
    if not trial.subject.offers("load"):
        return noise_gradient_budget(trial, cotangents)
    return oracle.gradient_budget(*_given(trial), cotangents, rounding=rounding_of(trial), seed=trial.case.seed)


def rounding_of(trial: "Trial") -> oracle.Rounding:
    """How the subject is expected to round in this case."""
    case = trial.case
    return oracle.rounding_for(case.torch_dtype, case.device, tf32="tf32" in case.switches)


def _require_one_truth(trial: "Trial") -> None:
    if trial.case.dropout_active:
        raise Unmeasurable("dropout is active: there is no one truth")


def _given(trial: "Trial") -> Given:
    """Configuration, parameters, input, h_0, c_0 and lengths."""
    h_0, c_0 = (*trial.given_state, None)[:2]
    return trial.config.but(dropout=0.0), trial.parameters, trial.x, h_0, c_0, trial.lengths
