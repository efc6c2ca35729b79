"""What must hold of further arguments of a call, such as flags that end an episode, covariates or times between steps."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from rnncheck.catalog.time_reset import begun_anew
from rnncheck.catalog.tools.conditions import at_least, batched, deterministic, one_direction, padded
from rnncheck.catalog.tools.each_sequence import MOVES_NOTHING, each_acts
from rnncheck.catalog.tools.follow_ups import rows, side_by_side
from rnncheck.catalog.tools.informative_data import in_many_digits, lively
from rnncheck.core.further import Further
from rnncheck.core.observation import Observation, both, every, fact
from rnncheck.core.property import Family
from rnncheck.core.run import Run
from rnncheck.core.subject import Layer, NotClaimed
from rnncheck.running.backward import named_results
from rnncheck.running.trial import Trial

argument = Family("argument")
whole = deterministic & padded & batched


@argument(
    "rows",
    formula="a[:, b] changes  =>  f(x, a)[:, others] stays",
    kind="metamorphic",
    source="one environment's flags that reset all: leggedrobotics/rsl_rl#35",
    applies=whole & at_least(time=1, batch=2),
    cost=4,
)
def of_its_row(trial: Trial) -> Observation:
    """A further argument acts on the sequence that it is given for, and on no other."""

    def of_others(one: Further) -> Observation:
        row, place = trial.draw(f"row of {one.name}", 0, trial.batch - 1), one.axis_of_rows
        first, other = (values(trial, one, what) for what in ("first", "other"))
        changed = other.index_copy(place, torch.tensor([row]), first.narrow(place, row, 1))
        others = beside(trial, one)
        before, after = (called(trial, {**others, one.name: given}) for given in (first, changed))
        kept = side_by_side(_row(before if r == row else after, r) for r in range(trial.batch))
        return _agree(trial, after, f"{one.name} of all but sequence {row} changed: ", ("with another", "with the first"), kept)

    return every(of_others(one) for one in further(trial))


@argument(
    "steps",
    formula="a[k:] changes  =>  f(x, a)[:k] stays",
    kind="metamorphic",
    source="covariates of later steps in a forecast of earlier ones",
    convention="a further argument's values of later steps change the outputs of earlier ones",
    applies=whole & one_direction & at_least(time=2, batch=1),
    cost=4,
)
def of_later_steps(trial: Trial) -> Observation:
    """A further argument's values of later steps change no earlier output."""

    def changed(one: Further) -> Observation:
        k = trial.draw(f"step of {one.name}", 1, trial.time - 1)
        first, other = (values(trial, one, what) for what in ("first", "other"))
        others = beside(trial, one)
        before, after = (called(trial, {**others, one.name: given}) for given in (first, torch.cat([first[:k], other[k:]])))
        return _agree_before(k, trial, before, after, f"{one.name} from step {k} on changed: ")

    return every(changed(one) for one in further(trial) if one.has_steps)


@argument(
    "causal",
    formula="x[k:] changes  =>  f(x, a)[:k] stays",
    kind="metamorphic",
    source="missing values that are filled from the next one that is seen, in place of the last",
    applies=whole & one_direction & at_least(time=2, batch=1),
    cost=4,
)
def of_earlier_inputs(trial: Trial) -> Observation:
    """Whatever a further argument says, an input of later steps changes no earlier output."""

    def changed(one: Further) -> Observation:
        k = trial.draw(f"step beside {one.name}", 1, trial.time - 1)
        given = {**beside(trial, one), one.name: values(trial, one, "first")}
        other = trial.but(x=torch.cat([trial.x[:k], 1 - trial.x[k:]]))
        before, after = (called(run, given) for run in (trial, other))
        return _agree_before(k, trial, before, after, f"input from step {k} on changed, beside {one.name}: ")

    return every(changed(one) for one in further(trial))


@argument(
    "used",
    formula="f(x, a) moves with a[0]  =>  it moves with a[1:]",
    kind="metamorphic",
    source="times[:, 0] in a loop over t",
    convention="a sequence that the types name moves no result",
    lenient=MOVES_NOTHING,
    applies=whole & at_least(time=3, batch=1),
    cost=4,
)
def after_the_first_step(trial: Trial) -> Observation:
    """A further argument that acts on the results in the first step acts on them after it, too.

    So does each sequence of a typed recurrence. One that moves nothing is warned of.
    """
    t = in_many_digits(lively(trial))
    if t.config.named is not None:
        return each_acts(t)

    def moves(one: Further) -> Observation:
        once = values(t, one, "first")[:1]
        turned = (one.low + one.high - once.to(t.x.dtype)).to(once.dtype)
        begun, first, later = (
            called(t, {one.name: torch.cat([start, *[rest] * (t.time - 1)])})
            for start, rest in ((once, once), (turned, once), (once, turned))
        )
        moved = _same(begun, first) or not _same(begun, later)  # what does nothing in the first step says nothing of the others
        return fact(f"results with another {one.name} after its first step", moved, "another" if moved else "the same", "another")

    return every(moves(one) for one in further(t) if one.has_steps and one.moves)


@argument(
    "resets",
    formula="f(x, reset at k) = f(x[:k]) ++ f(x[k:])",
    kind="metamorphic",
    source="recurrent policies, whose episodes end in the middle of a sequence: pytorch/rl#1406",
    applies=whole & one_direction & at_least(time=1, batch=1),
    cost=6,
)
def resets(trial: Trial) -> Observation:
    """After a flag that ends an episode its sequence is as from the beginning, before it and elsewhere as without one.

    A flag before the first step of a call, or before the one step of a call, ends the episode of the state that is given.
    """
    flags = [one for one in further(trial) if one.resets]
    if not flags or trial.subject.nature.get("start"):
        raise NotClaimed("no argument of a call says where the state is forgotten")
    drawn = [trial.draw(f"end in row {row}", 0, trial.time) for row in range(trial.batch)]
    whole, sides = trial.run, ("in two calls", "with a flag between them")

    def flagged(one: Further) -> Observation:
        raised, late = neutral(trial, one), int(one.resets == "after")
        at = [max(k, late) for k in drawn]
        for row, k in enumerate(at):
            if k < trial.time:
                raised[k - late, row] = 1 - (one.neutral or 0.0)
        pieces = (begun_anew(rows(trial, [row]), k) if k < trial.time else _row(whole, row) for row, k in enumerate(at))
        return _agree(trial, side_by_side(pieces), f"{one.name}: ", sides, called(trial, {one.name: raised}))

    def of_one_step(one: Further) -> Observation:
        step, raised = trial.but(x=trial.x[:1]), neutral(trial, one)[:1]
        sides = ("without a state", "with a flag")
        return _agree(step, begun_anew(step, 0), f"one step with {one.name}: ", sides, called(step, {one.name: 1 - raised}))

    return every([*(flagged(one) for one in flags), *(of_one_step(one) for one in flags if one.resets == "before")])


def _agree(trial: Trial, run: Run, prefix: str, sides: tuple[str, str], other: Run) -> Observation:
    """Two runs with other further arguments than the case's own, which may round differently."""
    return both(run, other, lambda: trial.budget.twice, prefix, sides)


def _agree_before(k: int, trial: Trial, before: Run, after: Run, prefix: str) -> Observation:
    """Whether what changes at step k, between two runs, changes no earlier output."""
    kept = Run(torch.cat([before.output[:k], after.output[k:]]), *after.state)
    return _agree(trial, after, prefix, ("with another sequel", "with the first"), kept)


def further(trial: Trial) -> tuple[Further, ...]:
    """Return the further arguments; raise NotClaimed where there is none."""
    if not trial.subject.further:
        raise NotClaimed("a call takes no further arguments")
    return trial.subject.further


def values(trial: Trial, one: Further, what: str) -> Tensor:
    """Values of an argument within its bounds, steps first."""
    shape = one.sizes(trial.time, trial.batch, trial.config.input_size, trial.config.hidden_size)
    part = torch.rand(shape, generator=trial.generator(f"{what} {one.name}"))
    drawn = one.low + (one.high - one.low) * part if one.low > 0 else (part > 0.5).float()
    return one.leaving_one(drawn.to(one.dtype(trial.x.dtype)))


def neutral(trial: Trial, one: Further) -> Tensor:
    """An argument that leaves the recurrence as it is, steps first."""
    shape = one.sizes(trial.time, trial.batch, trial.config.input_size, trial.config.hidden_size)
    return torch.full(shape, one.neutral or 0.0).to(one.dtype(trial.x.dtype))


def beside(trial: Trial, one: Further) -> dict[str, Tensor]:
    """Values of the arguments that must be given beside this one: what one of them does may depend on another's."""
    others = (other for other in further(trial) if other is not one and other.neutral is not None)
    return {other.name: values(trial, other, "beside") for other in others}


def called(trial: Trial, given: Mapping[str, Tensor]) -> Run:
    """The case's run with these arguments, in the layer's own layout."""
    known = {one.name: one for one in further(trial)}
    own = {name: known[name].laid_out(part, trial.config.batch_first) for name, part in given.items()}
    return trial.read_results(trial.do(called_with, trial.layer, *trial.arguments, own)).map(Tensor.detach)


def called_with(layer: Layer, x: Any, hx: Any, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the results of a call that is given these further arguments by name."""
    module = layer.module.wrapped() if hasattr(layer.module, "wrapped") else layer.module
    hook = module.register_forward_pre_hook(lambda _, given_before, named: (given_before, {**named, **given}), with_kwargs=True)
    try:
        return named_results(layer(x, hx))
    finally:
        hook.remove()


def _same(run: Run, other: Run) -> bool:
    return all(torch.equal(a, b) for (_, a), (_, b) in zip(run.parts(), other.parts(), strict=True))


def _row(run: Run, row: int) -> Run:
    return run.map(lambda part: part[:, [row]])
