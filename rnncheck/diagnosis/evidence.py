"""What a subject returned for one case, beside what it should have returned: what explanations are held against."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from rnncheck.core.run import Run
from rnncheck.diagnosis.altered_case import Asked
from rnncheck.oracle.budget import Budget, budget_of
from rnncheck.oracle.rounding import Rounding


def flat(run: Run) -> Tensor:
    """All numbers of a run in one row."""
    return torch.cat([part.double().cpu().flatten() for _, part in run.parts()])


def of_what_comes_back(budget: Budget, actual: Run) -> tuple[Budget, Run]:
    """Return both with the truth for each state that the subject does not return, of which anything is allowed."""
    lacking = {name for name, part in actual.parts() if not part.numel() and getattr(budget.truth, name).numel()}
    if not lacking:
        return budget, actual
    free = {name: torch.full_like(getattr(budget.allowed, name), torch.inf) for name in lacking}
    found = {name: getattr(budget.truth, name) for name in lacking}
    return replace(budget, allowed=replace(budget.allowed, **free)), replace(actual, **found)


@dataclass(frozen=True, eq=False)
class Answer:
    """A case, the subject's result, and the budget under its declared rounding."""

    asked: Asked
    actual: Run
    budget: Budget
    rounding: Rounding
    seed: int

    @classmethod
    def of(cls, asked: Asked, actual: Run, rounding: Rounding, seed: int) -> "Answer":
        """actual: the subject's result for what was asked (asked_of)."""
        with torch.inference_mode(False), torch.no_grad():
            budget, actual = of_what_comes_back(budget_of(asked.problem(), rounding, seed), actual)
            return cls(asked, actual, budget, rounding, seed)

    @property
    def agrees(self) -> bool:
        """Whether there is nothing to explain."""
        return self.budget.used(self.actual) <= 1

    @cached_property
    def values(self) -> Tensor:
        """The subject's numbers, in one row."""
        return flat(self.actual)

    @cached_property
    def truth(self) -> Tensor:
        """What they should be."""
        return flat(self.budget.truth)

    @cached_property
    def allowed(self) -> Tensor:
        """How far they may be off."""
        return flat(self.budget.allowed)

    @property
    def error(self) -> Tensor:
        """How far they are off."""
        return self.values - self.truth

    @property
    def off(self) -> Tensor:
        """Which are off by more than they may."""
        return self.error.abs() > self.allowed
