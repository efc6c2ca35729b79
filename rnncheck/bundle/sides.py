"""The two sides of a comparison, and how far apart they may be on a case: each side's budget, added."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from rnncheck import diagnosis, oracle
from rnncheck.bundle.content import Recorded, cotangents
from rnncheck.catalog.tools.gradients import axes_of, within_budget
from rnncheck.core.case import Case, Switch
from rnncheck.core.mismatch_text import Origins
from rnncheck.core.observation import Observation, both, equal, every, near
from rnncheck.core.run import Run
from rnncheck.core.values import Values
from rnncheck.running.trial import Trial

__all__ = ["OTHER", "anywhere", "bundles", "cotangents", "explained", "from_truth", "gradients", "moved", "results", "size"]

Gradients = Mapping[str, Tensor | None]
Allowed = Mapping[str, Tensor] | None
BUNDLE, OTHER = "in the bundle", "in the other bundle"


def moved(case: Case, device: str, switches: Sequence[Switch] = ()) -> Case:
    """The case on another device, with other switches."""
    return case.but(device=device, switches=tuple(switches))


def anywhere(case: Case) -> Case:
    """What is the same of a case wherever it is run: two such are equal."""
    return moved(case, "cpu")


def size(case: Case) -> tuple[int, ...]:
    """Small for a case that a person would rather look at: few strands, plain values, few numbers."""
    config = case.config
    odd = sum(values != Values() for values in (case.weights, case.biases, case.input, case.state))
    return config.num_layers * config.directions, odd, case.time * case.rows, config.input_size * config.hidden_size


def _rounding(case: Case) -> oracle.Rounding:
    return oracle.rounding_for(case.torch_dtype, case.device, tf32="tf32" in case.switches)


def _question(case: Case) -> oracle.Question:
    """What the oracle is asked, on the CPU."""
    here = anywhere(case)
    h_0, c_0 = (*(here.initial_state() or (None,)), None)[:2]
    config = case.config.but(dropout=0.0)
    return oracle.Question(config, here.parameters(), here.input_tensor(), h_0, c_0, case.lengths)


@lru_cache(4)
def _budget(case: Case) -> oracle.Budget:
    return oracle.budget(*_question(case), rounding=_rounding(case), seed=case.seed)


@lru_cache(4)
def _gradient_budget(case: Case) -> oracle.GradientBudget:
    truth = _budget(case).truth.map(lambda part: part.to(case.torch_dtype))  # the cotangents' shape and dtype
    return oracle.gradient_budget(*_question(case), cotangents(case, truth), rounding=_rounding(case), seed=case.seed)


def from_truth(one: Recorded) -> Observation:
    """What was recorded, and what the equations say."""
    assert one.run is not None
    budget = _budget(one.case)
    seen = both(one.run, budget.truth, budget.allowed)
    return seen & within_budget(_gradient_budget(one.case), one.gradients) if one.gradients else seen


def with_its_numbers(trial: Trial, one: Recorded) -> Trial:
    """The trial of a typed recurrence with the numbers that the recorded one had; any other as it is."""
    if one.measured is None:
        return trial
    return trial.but(parameters={name: number.to(trial.x.device) for name, number in one.measured.numbers.items()})


def takes_its_numbers(trial: Trial, one: Recorded) -> Observation:
    """A typed recurrence has the parameters that were recorded, or no result says anything."""
    if one.measured is None:
        return Observation()
    own = {name: tuple(value.shape) for name, value in trial.layer.parameters().items()}
    recorded = {name: tuple(value.shape) for name, value in one.measured.numbers.items()}
    return equal("names and shapes of parameters", own, {name: recorded.get(name) for name in own})


def results(case: Case, actual: Run, one: Recorded, where: str = "here", allowed_here: Run | None = None) -> Observation:
    """Results of ``case``, run elsewhere (``where``, in words), and what was recorded; allowed_here: of a typed recurrence."""
    assert one.run is not None
    if one.measured is not None and allowed_here is not None:
        return both(actual, one.run, _sum(allowed_here, one.measured.allowed), "", (where, BUNDLE))
    theirs = _budget(one.case)
    allowed = _sum(_budget(case).allowed, theirs.allowed)
    return both(actual, one.run, allowed, "", (where, BUNDLE), (theirs.truth, allowed))


def _sum(one: Run, other: Run) -> Run:
    return Run(**{name: part + getattr(other, name).to(part) for name, part in one.parts()})


def bundles(actual: Recorded, one: Recorded) -> Observation:
    """Results of two recorded sides."""
    assert actual.run is not None
    return results(actual.case, actual.run, one, OTHER, None if actual.measured is None else actual.measured.allowed)


def gradients(case: Case, actual: Gradients, one: Recorded, where: str = "here", allowed_here: Allowed = None) -> Observation:
    """Gradients of ``case``, run elsewhere (``where``, in words), and what was recorded; None is zero.

    allowed_here: of a typed recurrence
    """
    if one.measured is not None and allowed_here is not None:
        return every(
            near(f"gradient of {name}", _or(actual.get(name), torch.zeros_like(theirs)), _or(one.gradients.get(name), 0 * theirs),
                 allowed_here[name].to(theirs) + theirs, axes_of(name, theirs), Origins(where, BUNDLE))
            for name, theirs in one.measured.of_gradients.items()
        )  # fmt: skip
    mine, theirs = _gradient_budget(case), _gradient_budget(one.case)
    zero = {name: torch.zeros_like(truth) for name, truth in theirs.truth.items()}
    allowed = {name: mine.allowed[name] + theirs.allowed[name] for name in zero}
    return every(
        near(f"gradient of {name}", _or(actual.get(name), zero[name]), _or(recorded, zero[name]), allowed[name],
             axes_of(name, zero[name]), Origins(where, BUNDLE, theirs.truth[name], allowed[name]))
        for name, recorded in one.gradients.items()
    )  # fmt: skip


def gradients_of_bundles(actual: Recorded, one: Recorded) -> Observation:
    """Gradients of two recorded sides."""
    allowed = None if actual.measured is None else actual.measured.of_gradients
    return gradients(actual.case, actual.gradients, one, OTHER, allowed)


def _or(gradient: Tensor | None, zero: Tensor) -> Tensor:
    return zero if gradient is None else gradient


def explained(one: Recorded) -> tuple[str | None, str | None]:
    """Where what was recorded first leaves its budget, and the one change under which it would agree."""
    assert one.run is not None
    if one.measured is not None:
        return None, None
    question = _question(one.case)
    answer = diagnosis.Answer.of(diagnosis.asked_of(*question), one.run, _rounding(one.case), one.case.seed)
    location = diagnosis.localise(question.config, answer.budget, one.run, question.lengths, answer=answer)
    return (None, None) if location is None else (str(location), diagnosis.diagnose(answer))
