"""Which of the known mistakes a training step makes: the gradient that each would apply, beside what was applied."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import torch
from torch import Tensor

from rnncheck.core.step_case import StepCase
from rnncheck.running.step_trial import Session, Stepped, StepTrial, build_model
from rnncheck.running.step_truth import gradients, length

Named = Mapping[str, Tensor]
Mistake = tuple[str, Named]
"""What is done wrong, in words, and what is applied then."""
NOT_OF_NUMBERS = ("step.mode", "step.autocast", "step.once", "step.nonfinite")
"""Properties that fail for other reasons than a wrong gradient."""
DIVIDED = "the gradients are divided by the number of micro-batches after clipping, or max_norm is"
"""Two mistakes of one effect."""
CLOSE = 1e-3
"""How close, relatively, what was applied must be to what a mistake would apply; rounding is far below, other mistakes above."""
UNLIKE = 1e-2
"""How far from what is right it must be for the mistake to show."""
SHAPES = (StepCase(), StepCase(groups=2), StepCase(sizes=(2, 2)), StepCase(scale=8.0), StepCase(sizes=(3, 1)))
BOUNDS = (0.1, 3.0)
"""Values of max_norm: the gradients exceed the first, so that they are clipped, and stay below the second."""
SITUATIONS = tuple(shape.but(bound=bound) for shape in SHAPES for bound in BOUNDS)
"""Situations from the simplest on: the first in which a step is wrong is diagnosed."""
DRAWS = range(4)
"""Seeds of each situation, of which two must be wrong."""


def known_mistake(trial: StepTrial) -> str | None:
    """The mistake in words, where it explains two draws of the simplest situation in which the step goes wrong."""
    for situation in (*SITUATIONS, trial.case.but(optimizer="SGD", kernels="loop")):
        case = situation.but(model="recurrent", reduction=trial.case.reduction, device=trial.case.device, dtype="float64")
        if trial.subject.refuses(case) is not None:
            continue
        first, *others = (*_wrong(trial, case), None)
        if first is not None and others[0] is not None:
            return next((words for words in first if words in others[0] and _always_fits(trial, case, words)), None)
    return None


def _always_fits(trial: StepTrial, case: StepCase, words: str) -> bool:
    """Whether both steps are what the mistake would apply there, wherever the gradients are clipped and where they are not."""
    for bound in BOUNDS:
        own = StepTrial(trial.subject, case.but(bound=bound))
        session = own.session()
        for number in range(2):
            stepped = session.step(own.but(seed=case.seed + number).batches if number else None)
            told = [applied for said, applied in mistakes(stepped, session) if said == words]
            if told and not any(_near(stepped, applied) for applied in told):
                return False
    return True


def _wrong(trial: StepTrial, case: StepCase) -> list[list[str]]:
    """What explains the first two draws of a situation in which the step goes wrong, as far as there are any."""
    draws = (_explained(StepTrial(trial.subject, case.but(seed=seed))) for seed in DRAWS)
    return list(islice((words for words in draws if words is not None), 2))


def _explained(trial: StepTrial) -> list[str] | None:
    """Every mistake that explains the first wrong step of two; None where both are right."""
    session = trial.session()
    for number in range(2):
        stepped = session.step(trial.but(seed=trial.case.seed + number).batches if number else None)
        if _shows(stepped):
            return [words for words, applied in mistakes(stepped, session) if _fits(stepped, applied)]
    return None


def _shows(stepped: Stepped) -> bool:
    """Whether what was applied is off by more than rounding, or an epsilon beside the norm, could explain."""
    right = {name: stepped.truth.applied(name) for name in stepped.truth.gradient}
    off = length(_minus({name: stepped.moved(name) for name in right}, right))
    return not stepped.agrees and not off <= UNLIKE * length(right)


def _fits(stepped: Stepped, applied: Named) -> bool:
    right = {name: stepped.truth.applied(name) for name in applied}
    return _near(stepped, applied) and length(_minus(right, applied)) > UNLIKE * length(right)


def _near(stepped: Stepped, applied: Named) -> bool:
    rounding = length({name: stepped.stored(name) / stepped.rates[name] for name in applied})
    seen = {name: stepped.moved(name) for name in applied}
    return length(_minus(seen, applied)) <= CLOSE * length(applied) + rounding


def mistakes(stepped: Stepped, session: Session) -> Iterator[Mistake]:
    """What each mistake would apply at this step, the most likely first."""
    yield from _no_clipping(stepped)
    yield from _scales(stepped)
    yield from _separately(stepped, session)
    yield from _other_norms(stepped)
    yield from _micro_batches(stepped)
    yield from _steps_between(stepped, session)
    yield from _other(stepped)


def _no_clipping(stepped: Stepped) -> Iterator[Mistake]:
    truth = stepped.truth
    late = truth.norm > truth.max_norm and 0 < length(stepped.left) <= truth.max_norm * (1 + CLOSE)
    if late:
        yield "the gradients are clipped after the optimizer's step", truth.gradient
    yield "the gradients are not clipped, or only after the optimizer's step", truth.gradient


def _scales(stepped: Stepped) -> Iterator[Mistake]:
    g, bound, (scale, following) = stepped.truth.gradient, stepped.truth.max_norm, stepped.scales
    if scale != 1.0:
        yield "the gradients are clipped before the loss scale is taken out", _times(_clipped(_times(g, scale), bound), 1 / scale)
        yield "the loss scale is never taken out", _clipped(_times(g, scale), bound)
        yield "the loss scale is never taken out", _times(g, scale)
        yield "the loss scale is taken out twice, or of a loss without it", _clipped(_times(g, 1 / scale), bound)
    if following != scale:
        yield "the loss scale of the next step is taken out", _clipped(_times(g, scale / following), bound)
        yield "the loss scale of the next step is taken out", _times(_clipped(g, bound), scale / following)


def _separately(stepped: Stepped, session: Session) -> Iterator[Mistake]:
    g, bound = stepped.truth.gradient, stepped.truth.max_norm
    if len(session.groups) > 1:
        groups = [_clipped({name: g[name] for name in group}, bound) for group in session.groups]
        yield "each parameter group is clipped by itself", {name: value for group in groups for name, value in group.items()}
        yield "only the first parameter group is clipped", {**g, **groups[0]}
    yield "each parameter is clipped by itself", {name: _clipped({name: value}, bound)[name] for name, value in g.items()}
    yield "each number is clipped, instead of the norm", {name: value.clamp(-bound, bound) for name, value in g.items()}
    whole = [name for name, value in g.items() if _near(stepped, {name: value}) and float(value.abs().max()) > 0]
    if 0 < len(whole) < len(g):
        rest = _clipped({name: value for name, value in g.items() if name not in whole}, bound)
        yield f"some parameters are not clipped: {', '.join(sorted(whole))}", {**g, **rest}


def _other_norms(stepped: Stepped) -> Iterator[Mistake]:
    """Something else is taken for the norm of all gradients, or for max_norm."""
    g, bound, norm, count = stepped.truth.gradient, stepped.truth.max_norm, stepped.truth.norm, len(stepped.truth.parts)
    each, flat = [length({name: value}) for name, value in g.items()], torch.cat([value.flatten() for value in g.values()])
    taken = {
        "the square of the norm is taken for the norm": norm**2,
        "the norms of the parameters are added for the norm of all": sum(each),
        "the largest norm of a parameter is taken for the norm of all": max(each),
        "the largest number is taken for the norm: norm_type = inf": float(flat.abs().max()),
        "the sizes of all numbers are added for the norm: norm_type = 1": float(flat.abs().sum()),
    }
    yield from ((words, _times(g, min(1.0, bound / other))) for words, other in taken.items() if other > 0)
    if count > 1:
        yield DIVIDED, _clipped(g, bound / count)
        yield "max_norm is multiplied by the number of micro-batches", _clipped(g, bound * count)
    if stepped.scales[0] != 1.0:
        yield "max_norm is multiplied by the loss scale, which the gradients do not have", _clipped(g, bound * stepped.scales[0])


def _micro_batches(stepped: Stepped) -> Iterator[Mistake]:
    """What goes wrong over several micro-batches."""
    truth, bound, count = stepped.truth, stepped.truth.max_norm, len(stepped.truth.parts)
    if count == 1:
        return
    shares = [_times(part, share) for part, share in zip(truth.parts, truth.shares, strict=True)]
    even = [_times(part, 1 / count) for part in truth.parts]
    yield "only the last micro-batch counts", _clipped(truth.parts[-1], bound)
    yield "only the last micro-batch counts", _clipped(shares[-1], bound)
    yield "only the first micro-batch counts", _clipped(truth.parts[0], bound)
    yield "only the first micro-batch counts", _clipped(shares[0], bound)
    yield "micro-batches of unequal sizes count the same", _clipped(_sum(even), bound)
    yield "the gradients of the micro-batches are added, not averaged", _clipped(_sum(truth.parts), bound)
    yield "the gradients are divided by the number of micro-batches twice", _clipped(_times(_sum(even), 1 / count), bound)
    yield DIVIDED, _times(_clipped(_sum(truth.parts), bound), 1 / count)
    whole = {name: truth.applied(name) for name in truth.gradient}
    yield "the learning rate is divided by the number of micro-batches", _times(whole, 1 / count)
    for parts in (shares, even, truth.parts):
        yield "the gradients are clipped once per micro-batch", _sum([_clipped(part, bound) for part in parts])
        yield "the gradients are clipped once per micro-batch", _one_by_one(parts, bound)
    each = [_clipped(part, bound) for part in truth.parts]
    yield "the gradients are clipped once per micro-batch", _sum([_times(p, s) for p, s in zip(each, truth.shares, strict=True)])
    yield "the gradients are clipped once per micro-batch", _clipped(_times(_sum(each), 1 / count), bound)


def _steps_between(stepped: Stepped, session: Session) -> Iterator[Mistake]:
    """A step after each micro-batch: the gradient of the next is taken where that one leads."""
    if len(session.given) == 1:
        return
    for shared in (True, False):
        model = build_model(session.case)
        model.load_state_dict(stepped.before)
        live = {name: p for name, p in model.named_parameters() if name in stepped.rates}
        for batch, share in zip(session.given, stepped.truth.shares, strict=True):
            part = _clipped(_times(gradients(model, batch), share if shared else 1.0), stepped.truth.max_norm)
            with torch.no_grad():
                for name, p in live.items():
                    p.sub_(stepped.rates[name] * part[name])
        total = {name: (stepped.before[name] - p.detach()).double() / stepped.rates[name] for name, p in live.items()}
        yield "the optimizer makes a step after each micro-batch", total


def _other(stepped: Stepped) -> Iterator[Mistake]:
    truth, bound = stepped.truth, stepped.truth.max_norm
    if stepped.stale:
        together = {
            name: value + stepped.stale[name].double().cpu() for name, value in truth.gradient.items() if name in stepped.stale
        }
        if together.keys() == truth.gradient.keys():
            yield "the gradients of earlier steps are never set to zero", _clipped(together, bound)
    yield "the optimizer makes two steps", _times({name: truth.applied(name) for name in truth.gradient}, 2.0)
    yield "the gradients are scaled up to max_norm where they are smaller", _times(truth.gradient, bound / truth.norm)
    skipped = 0.0 if truth.norm > bound else 1.0
    yield "nothing is applied where the norm exceeds max_norm", _times(truth.gradient, skipped)
    yield "nothing is applied: the optimizer makes no step, or the gradients are 0", _times(truth.gradient, 0.0)


def _clipped(gradient: Named, bound: float) -> Named:
    norm = length(gradient)
    return _times(gradient, min(1.0, bound / norm) if norm > 0 else 1.0)


def _one_by_one(parts: Sequence[Named], bound: float) -> Named:
    """Each added to what has been clipped so far, and both clipped again."""
    total: Named = _times(parts[0], 0.0)
    for part in parts:
        total = _clipped(_sum([total, part]), bound)
    return total


def _times(gradient: Named, factor: float) -> dict[str, Tensor]:
    return {name: value * factor for name, value in gradient.items()}


def _sum(parts: Sequence[Named]) -> dict[str, Tensor]:
    return {name: torch.stack([part[name] for part in parts]).sum(0) for name in parts[0]}


def _minus(one: Named, other: Named) -> dict[str, Tensor]:
    return {name: one[name] - other[name] for name in other}
