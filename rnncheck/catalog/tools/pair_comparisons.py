"""What the properties of the family pair compare."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from rnncheck.core.observation import Observation, equal, every, near
from rnncheck.running.pair_reference import OWN, Budget, Calls
from rnncheck.running.pair_results import numbers
from rnncheck.running.pair_session import PairSession
from rnncheck.running.pair_trial import PairTrial


def sharp(trial: PairTrial) -> PairTrial:
    """The case in float64, where mistakes show best, if both models run there."""
    return trial.but(dtype="float64") if trial.subject.offers("pair_float64") else trial


def in_both_precisions(trial: PairTrial, look: Callable[[PairTrial, str], Observation]) -> Observation:
    """In float64 first, where both models run there, then in the case's own dtype."""
    exact = sharp(trial)
    if exact.case.dtype == trial.case.dtype:
        return look(trial, "")
    seen = look(exact, "float64: ")
    return seen & look(trial, "") if seen.holds else seen


def agree(trial: PairTrial, prefix: str = "", calls: Calls = OWN) -> Observation:
    """A new candidate, called with these inputs in turn, gives each time what the reference gives."""
    found = [trial.run] if calls == OWN else trial.played(calls)
    return agreeing(trial, found, prefix, calls)


def agreeing(trial: PairTrial, found: Sequence[Mapping[str, Tensor]], prefix: str, calls: Calls = OWN) -> Observation:
    """Check that these results are right; where they are not, weigh the candidate's own way of rounding too."""
    budgets = trial.budgets(calls)
    seen = _all(found, budgets, prefix)
    if seen.holds or not trial.subject.offers("pair_float64"):
        return seen
    noise = trial.own_noise(calls)
    return _all(found, [_wider(budget, own) for budget, own in zip(budgets, noise, strict=True)], prefix)


def _wider(budget: Budget, noise: Mapping[str, Tensor]) -> Budget:
    """The budget with the candidate's own noise, where that is finite: what rounding changes by anything agrees with nothing."""
    fits = {path: path in noise and noise[path].shape == limit.shape for path, limit in budget.allowed.items()}
    wide = {path: _larger(limit, noise[path]) if fits[path] else limit for path, limit in budget.allowed.items()}
    return Budget(budget.truth, wide)


def _larger(limit: Tensor, noise: Tensor) -> Tensor:
    return torch.where(noise.isfinite(), torch.maximum(limit, noise), limit)


def _all(found: Sequence[Mapping[str, Tensor]], budgets: Sequence[Budget], prefix: str) -> Observation:
    several = len(found) > 1
    return every(
        one_result(f"{prefix}{f'call {number}: ' if several else ''}{path}", results.get(path), truth, budget.allowed[path])
        for number, (results, budget) in enumerate(zip(found, budgets, strict=True), 1)
        for path, truth in budget.truth.items()
    )


def one_result(what: str, actual: Tensor | None, truth: Tensor, allowed: Tensor | float) -> Observation:
    """A result that is there, and within what is allowed."""
    if actual is None:
        return equal(what, "nothing", f"a tensor of shape {tuple(truth.shape)}")
    return near(what, actual, truth, allowed)


def gradients_agree(trial: PairTrial, prefix: str = "") -> Observation:
    """Every gradient that the reference has is there and right; none counts as zeros."""
    found = trial.gradients()
    budget = trial.gradient_budget

    def compared(name: str, truth: Tensor) -> Observation:
        actual = found.get(name)
        if actual is None and bool((truth == 0).all()):
            return Observation()
        return one_result(prefix + name, actual, truth, budget.allowed[name])

    return every(compared(name, truth) for name, truth in budget.truth.items())


def overwritten(session: PairSession, calls: Calls) -> list[dict[str, Tensor]]:
    """The results of calls that all get the same tensors, with other numbers written into them."""
    first, results = session.trial.inputs(calls[0]), []
    for key in calls:
        for held, value in zip(first, session.trial.inputs(key), strict=True):
            if isinstance(held, Tensor):
                held.copy_(value)
        results.append(numbers(session.call(first, grad=False)))
    return results


def as_the_reference(trial: PairTrial, what: str, deed: Callable[..., str], *keys: str) -> Observation:
    """Whatever a deed finds on the candidate, with these inputs, it finds on the reference too."""

    def found_on(session: PairSession) -> list[str]:
        return str(session.do(deed, *(trial.inputs(key) for key in keys))).split("; ")

    found = found_on(trial.session())
    right = found_on(trial.reference_in_dtype()) if found != ["nothing"] else found
    return equal(what, "; ".join(found), "; ".join(one for one in found if one in right) or "nothing")


@contextmanager
def filled_memory() -> Iterator[None]:
    """Inside, memory that is not written to reads as NaN, or as the largest whole number."""
    enabled, warns = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    fills = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = True  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.utils.deterministic.fill_uninitialized_memory = fills  # type: ignore[attr-defined]
        torch.use_deterministic_algorithms(enabled, warn_only=warns)
