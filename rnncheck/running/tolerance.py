"""Truth and allowed error of a trial: from the oracle, or measured on the subject itself where its parameters cannot be set."""

from typing import Protocol

from rnncheck import oracle
from rnncheck.core.case import Case
from rnncheck.core.run import Run
from rnncheck.core.subject import Subject
from rnncheck.oracle import Budget
from rnncheck.running.measured_noise import Repeatable, least_budget, least_gradient_budget, noise_budget, noise_gradient_budget
from rnncheck.running.memo import remembered


class Judged(Repeatable, Protocol):
    """What a tolerance is asked for. A Trial is one."""

    @property
    def subject(self) -> Subject: ...
    @property
    def question(self) -> oracle.Question: ...


class Unmeasurable(Exception):
    """No truth can be had for this trial (random dropout, parameters that cannot be set); a property's own mistake."""


def budget_of(trial: Judged) -> oracle.Budget:
    """Of the trial's run."""
    _require_one_truth(trial)
    if not trial.subject.offers("load"):
        return noise_budget(trial)
    question, rounding, seed = trial.question, trial.rounding, trial.case.seed
    budget = remembered(lambda: oracle.budget(*question, rounding=rounding, seed=seed), "budget", question, rounding, seed)
    if not trial.subject.stateless:
        return budget
    return Budget(returned(trial, budget.truth), returned(trial, budget.allowed), budget.rounding)


def truth_of(trial: Judged) -> Run:
    """The truth of the trial's run alone, in float64."""
    _require_one_truth(trial)
    question = trial.question
    return returned(trial, remembered(lambda: oracle.truth(*question), "truth", question))


def gradient_budget_of(trial: Judged, cotangents: Run) -> oracle.GradientBudget:
    """Of the trial's gradients(cotangents)."""
    _require_one_truth(trial)
    if not trial.subject.offers("load"):
        return noise_gradient_budget(trial, cotangents)
    question, rounding, seed = trial.question, trial.rounding, trial.case.seed
    weights = of_all(trial, cotangents)
    return remembered(
        lambda: oracle.gradient_budget(*question, weights, rounding=rounding, seed=seed),
        "gradients", question, rounding, seed, tuple(weights.parts()),
    )  # fmt: skip


def least_budget_of(trial: Judged) -> oracle.Budget:
    """What is allowed on the trial's run at the very least: most results are within it, and nothing more has to be measured."""
    return budget_of(trial) if trial.subject.offers("load") else least_budget(trial)


def least_gradient_budget_of(trial: Judged, cotangents: Run) -> oracle.GradientBudget:
    """The same of the trial's gradients(cotangents)."""
    return gradient_budget_of(trial, cotangents) if trial.subject.offers("load") else least_gradient_budget(trial, cotangents)


def strict_budget_of(trial: Judged) -> oracle.Budget:
    """That of the trial's run, without what it rounds to fewer digits than its case asks for."""
    return budget_of(trial) if trial.subject.offers("load") else noise_budget(trial, coarse=False)


def strict_gradient_budget_of(trial: Judged, cotangents: Run) -> oracle.GradientBudget:
    """The same of the trial's gradients(cotangents)."""
    if trial.subject.offers("load"):
        return gradient_budget_of(trial, cotangents)
    return noise_gradient_budget(trial, cotangents, coarse=False)


def returned(trial: Judged, run: Run) -> Run:
    """Return the run without states, where none come back."""
    return Run(run.output, *(state[:0] for state in run.state)) if trial.subject.stateless else run


def of_all(trial: Judged, cotangents: Run) -> Run:
    """The cotangents with zeros for states that do not come back."""
    if not trial.subject.stateless:
        return cotangents
    return Run(cotangents.output, *(h.new_zeros(trial.case.config.states, *h.shape[1:]) for h in cotangents.state))


def rounding_for_case(case: Case) -> oracle.Rounding:
    """How a subject is expected to round in this case."""
    return oracle.rounding_for(case.torch_dtype, case.device, tf32="tf32" in case.switches)


def _require_one_truth(trial: Judged) -> None:
    if trial.case.dropout_active:
        raise Unmeasurable("dropout is active: there is no one truth")
