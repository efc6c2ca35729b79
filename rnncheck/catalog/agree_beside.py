"""What must agree with another implementation of the same recurrence: a reference."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from rnncheck.catalog.agree import agree
from rnncheck.catalog.tools.conditions import deterministic
from rnncheck.catalog.tools.gradients import axes_of
from rnncheck.catalog.tools.moderate import finite_where_moderate, saturating_input
from rnncheck.core.chunks import fit, of_both
from rnncheck.core.mismatch_text import Origins
from rnncheck.core.observation import Observation, both, every, near
from rnncheck.core.run import Run
from rnncheck.core.subject import Malformed, NotClaimed, Subject
from rnncheck.oracle import GradientBudget
from rnncheck.running.beside import Pair, beside
from rnncheck.running.tolerance import (
    least_budget_of,
    least_gradient_budget_of,
    returned,
    strict_budget_of,
    strict_gradient_budget_of,
)
from rnncheck.running.trial import Trial


@agree("against", formula="f(x) = reference(x), d f(x) = d reference(x)", source="--against", kind="differential",
       applies=deterministic)  # fmt: skip
def against(trial: Trial) -> Observation:
    """The layer matches the reference given the same parameters, and the reference itself is correct.

    Where both have equations of their own: results and gradients agree in float64, and what the layer gives in the case's dtype
    is the reference's float64 result on the same numbers, within the rounding that is measured on both.
    """
    reference = trial.subject.reference
    if reference is None or reference.refuses(trial.case):
        return Observation()
    if trial.subject.offers("load") and reference.offers("load"):
        return _both_right(trial, reference)
    lacking = trial.subject.lacks(("load",))
    if reference.offers("load") and lacking is not None and not trial.subject.of_its_own:
        raise NotClaimed(lacking)
    try:
        return agreement(beside(trial, reference), (f"from {trial.subject.name}", f"from {reference.name}"))
    except Malformed as error:
        raise NotClaimed(f"results of {trial.subject.name} and {reference.name} cannot be compared: {error}") from None


@agree("forms", formula="f_parallel(x) = f_loop(x), so for gradients", kind="differential", cost=10,
       source="lucidrains/minGRU-pytorch#9, state-spaces/mamba#1024", applies=deterministic)  # fmt: skip
def forms(trial: Trial) -> Observation:
    """Every declared form of the recurrence (parallel, chunked, step by step) gives the same results and gradients as the layer."""
    declared = trial.subject.forms
    if not declared:
        raise NotClaimed('no other form is declared: rnncheck_forms = {"parallel": function}')
    return every(_form_agrees(trial, name, form) for name, form in declared.items())


def _form_agrees(trial: Trial, name: str, form: Any) -> Observation:
    subject = trial.subject
    other = replace(subject, name=f"{subject.name} as {name}", build=subject.build.in_form(form), reference=None, forms={})
    shared = of_both(subject.chunks, subject.nature.get("steps_of_forms", {}).get(name, (1, False)))
    if shared is None:
        raise NotClaimed(f"the layer and its form {name} take no number of steps in common")
    if not fit(trial.time, shared):
        trial = _of_steps(trial, shared[0] * (1 + trial.time % 2))
    return agreement(beside(trial, other, alike=True), ("from the layer", f"from its form {name}"))


def _of_steps(trial: Trial, time: int) -> Trial:
    """The trial with this number of steps, which repeat those of the case."""
    turns = torch.arange(time, device=trial.x.device) % trial.time
    return trial.but(x=trial.x[turns], lengths=trial.lengths and (time,) * trial.batch)


def _both_right(trial: Trial, reference: Subject) -> Observation:
    """Both match the equations, and each other."""
    other, allowed = Trial(reference, trial.case, trial.tensors), trial.budget.allowed
    theirs = returned(trial, other.run)
    right = both(theirs, trial.budget.truth, allowed, f"{reference.name} itself: ")
    sides = (f"from {trial.subject.name}", f"from {reference.name}")
    return both(trial.run, theirs, allowed.map(lambda part: 2 * part), "", sides, trial.right) & right


def agreement(pair: Pair, sides: tuple[str, str]) -> Observation:
    """Results and gradients of the two; and none is NaN or inf that is a moderate number of the reference."""
    finite = _finite(pair, sides)
    return _agreement(pair, sides) & (Observation() if finite.holds else finite)


def _finite(pair: Pair, sides: tuple[str, str]) -> Observation:
    """The first is finite where the other is, also where large input saturates gates; float16 has a range that is soon left."""
    if pair.mine.case.dtype == "float16":
        return Observation()
    pairs = {"": pair, "large x: ": pair.on(saturating_input(pair.mine))}
    return every(finite_where_moderate(one.mine.run, one.theirs.run, what, sides) for what, one in pairs.items())


def _agreement(pair: Pair, sides: tuple[str, str]) -> Observation:
    """In float64 where both offer it, and in the case's dtype."""
    dtype = pair.mine.case.dtype
    if not all(one.subject.offers("float64") for one in (pair.mine, pair.theirs)):
        return _same(pair, pair, "", sides)
    double = pair.in_dtype("float64")
    exact = _same(double, double, "in float64: ", sides)
    if dtype == "float64":
        return exact
    return exact & _same(pair, double, f"in {dtype}: ", (sides[0], f"{sides[1]} in float64"))


def _same(pair: Pair, truth: Pair, why: str, sides: tuple[str, str]) -> Observation:
    """The first of the pair beside the second of ``truth``, as near as the rounding of both in the pair's dtype.

    That is measured only where they differ by more than what it allows at least.
    """
    mine, theirs = pair.mine, pair.theirs

    def results(allowed: Run, more: Run) -> Observation:
        return both(mine.run, truth.theirs.run, _sum(allowed, more), why, sides)

    seen = results(*(least_budget_of(one).allowed for one in (mine, theirs)))
    if not seen.holds:
        seen = results(strict_budget_of(mine).allowed, theirs.budget.allowed)
        if pair.alike:
            seen &= results(mine.budget.allowed, strict_budget_of(theirs).allowed)
    if not all(one.subject.offers("training") for one in (mine, theirs)):
        return seen
    weights = mine.cotangents()
    exact = weights.map(lambda part: part.to(truth.theirs.x.dtype))
    found, expected = mine.gradients(weights), truth.renamed(truth.theirs.gradients(exact))

    def gradients(allowed: GradientBudget, more: GradientBudget) -> Observation:
        renamed = pair.renamed(more.allowed)
        limits = {name: part + renamed[name] for name, part in allowed.allowed.items()}
        return _same_gradients(found, expected, limits, why, sides)

    slopes = gradients(*(least_gradient_budget_of(one, weights) for one in (mine, theirs)))
    if not slopes.holds:
        slopes = gradients(strict_gradient_budget_of(mine, weights), theirs.gradient_budget(weights))
        if pair.alike:
            slopes &= gradients(mine.gradient_budget(), strict_gradient_budget_of(theirs, weights))
    return seen & slopes


def _sum(one: Run, other: Run) -> Run:
    return Run(*(a + b for (_, a), (_, b) in zip(one.parts(), other.parts(), strict=True)))


def _same_gradients(
    found: Mapping[str, Tensor | None], expected: Mapping[str, Tensor | None], allowed: Mapping[str, Tensor], why: str,
    sides: tuple[str, str],
) -> Observation:  # fmt: skip
    """Each gradient of the first beside the other's of the same name; None is zero."""

    def part(gradients: Mapping[str, Tensor | None], name: str) -> Tensor:
        found = gradients.get(name)
        return torch.zeros_like(allowed[name]) if found is None else found

    return every(
        near(f"{why}gradient of {name}", part(found, name), part(expected, name), limit, axes_of(name, limit), Origins(*sides))
        for name, limit in allowed.items()
    )
