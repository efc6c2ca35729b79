"""Each of several sequences that are read from their types: whether it acts on the results, and after its first step, too."""

from functools import reduce

import torch
from torch import Tensor

from rnncheck.core.named import Named, NamedTensor
from rnncheck.core.observation import Observation, every, fact
from rnncheck.core.subject import NotClaimed
from rnncheck.running.factorizing import factorizing
from rnncheck.running.trial import Trial

MOVES_NOTHING = r"^results with another \S+ ="
"""The lines of a sequence that no result depends on."""

RAISED = 2.0
"""The number of a flag that is raised; one that is not is 0."""


def each_acts(trial: Trial) -> Observation:
    """Whether each sequence acts at all, and after the first step if it acts in that; on data on which everything has an effect."""
    named = trial.config.named
    if named is None or len(named.given_sequences) < 2:
        raise NotClaimed("one sequence alone is given in a call")
    flags = [named.place(one) for one in named.given_sequences if one.flags and not one.resets]
    at = [
        reduce(lambda t, part: _with(t, part, value), flags, _lowered(trial, named)) for value in (RAISED, 0.0)[: 1 + bool(flags)]
    ]
    return every(_acts(at, one, named.place(one)) for one in named.given_sequences if named.features(one))


def _lowered(trial: Trial, named: Named) -> Trial:
    """The case with no flag raised that makes it forget its state."""
    return reduce(lambda t, one: _with(t, named.place(one), 0.0), (one for one in named.given_sequences if one.resets), trial)


def _acts(at: list[Trial], one: NamedTensor, part: slice) -> Observation:
    """Whether a sequence acts in some of these cases."""
    first, after, nan = (list[bool]() for _ in range(3))
    for trial in at:
        once, rest = trial.x[:1, ..., part], trial.time - 1
        turned = RAISED - once if one.flags else 1 + once  # another whole number, too
        begun = _with(trial, part, once)
        after.append(_differ(begun, _with(trial, part, torch.cat([once, *[turned] * rest]))))
        first.append(_differ(begun, _with(trial, part, torch.cat([turned, *[once] * rest]))))
        nan.append(_differ(begun, _with(trial, part, torch.nan)))
    if not any((*first, *after, *nan)):
        return fact(f"results with another {one.name}", False, "the same", "another")
    moved = any(after) or not any(first)  # what does nothing in the first step says nothing of the others
    return fact(f"results with another {one.name} after its first step", moved, "another" if moved else "the same", "another")


def _with(trial: Trial, part: slice, values: Tensor | float) -> Trial:
    """The same with other values of one sequence."""
    x = trial.x.clone()
    x[..., part] = values
    return trial.but(x=x)


def _differ(trial: Trial, other: Trial) -> bool:
    """Whether the two give other results; what cannot factorize NaN does not ignore it."""
    try:
        with factorizing((other.x, other.state)):
            return any(not torch.equal(a, b) for (_, a), (_, b) in zip(trial.run.parts(), other.run.parts(), strict=True))
    except NotClaimed:
        return True
