"""Another implementation of a recurrence beside the subject, on the same numbers: input, states, and parameters by name."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from rnncheck.core.run import Run
from rnncheck.core.subject import NotClaimed, Subject
from rnncheck.running.same_start import numbers_of
from rnncheck.running.trial import Tensors, Trial

Known = TypeVar("Known")
UNMATCHED = "give both the same parameter names and shapes, or draw the same numbers in the same order"
"""What to do where it is not known which parameter is which."""


@dataclass(frozen=True)
class Pair:
    """A subject's trial and another's on the same numbers.

    names: the subject's parameters -> the other's; alike: whether the other may be wrong as well, and is no reference
    """

    mine: Trial
    theirs: Trial
    names: Mapping[str, str]
    alike: bool = False

    def in_dtype(self, name: str) -> "Pair":
        """The same numbers in this dtype."""
        return replace(self, mine=self.mine.to(name), theirs=self.theirs.to(name))

    def on(self, x: Tensor) -> "Pair":
        """Both on another input."""
        return replace(self, mine=self.mine.but(x=x), theirs=self.theirs.but(x=x))

    def gradients(self, cotangents: Run) -> tuple[Mapping[str, Tensor | None], Mapping[str, Tensor | None]]:
        """The gradients of both, under the subject's names."""
        return self.mine.gradients(cotangents), self.renamed(self.theirs.gradients(cotangents))

    def renamed(self, by_their_names: Mapping[str, Known]) -> dict[str, Known]:
        """What is known under the other's names, under the subject's."""
        mine = {theirs: name for name, theirs in self.names.items()}
        return {mine.get(name, name): value for name, value in by_their_names.items()}


def beside(trial: Trial, other: Subject, alike: bool = False) -> Pair:
    """The other subject on the trial's case, with the numbers that the trial's own layer has.

    Raises NotClaimed where it is not known which parameter is which.
    """
    layer, given = trial.build(), Tensors(trial.x, trial.state, {}, trial.lengths)
    theirs = type(trial)(other, trial.case, given)
    numbers, own = numbers_of(layer), numbers_of(theirs.build())
    names = _names(layer.parameters(), theirs.build().parameters())
    if names is None:
        raise NotClaimed(f"the parameters of {trial.subject.name} are not those of {other.name}: {UNMATCHED}")
    taken = {names.get(name, name): value for name, value in numbers.items()}
    fitting = {name: value for name, value in taken.items() if name in own and own[name].shape == value.shape}
    mine = trial if trial.subject.offers("load") else trial.but(parameters=numbers)
    return Pair(mine, theirs.but(parameters=fitting), names, alike)


def _names(these: Mapping[str, Tensor], those: Mapping[str, Tensor]) -> dict[str, str] | None:
    """Which of those is which of these: of the same name and shape, or the same numbers in the same order; None if neither."""
    if {name: p.shape for name, p in these.items()} == {name: p.shape for name, p in those.items()}:
        return {name: name for name in these}
    pairs = list(zip(these.items(), those.items(), strict=False))
    alike = all(one.shape == other.shape and torch.equal(one, other) for (_, one), (_, other) in pairs)
    return {name: other for (name, _), (other, _) in pairs} if alike and len(these) == len(those) else None
