"""A case as a hypothesis changes it: data before, equations during, results after."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from rnncheck.core.config import Config
from rnncheck.core.run import Run
from rnncheck.diagnosis.cell_variants import Function, With
from rnncheck.oracle.budget import budget_of
from rnncheck.oracle.rounding import Rounding
from rnncheck.oracle.truth import Join, Problem, checked, concatenated, run

Read = Callable[[Run], Run]


def _then(first: Function, second: Function) -> Function:
    return lambda value: second(first(value))


def _joined(steps: list[Run]) -> Run:
    """Runs of single steps as one, with the last one's final states."""
    return Run(torch.cat([step.output for step in steps]), steps[-1].h_n, steps[-1].c_n)


class Unchanged:
    """A case as it is, before anything is done differently: taken apart once, however many changes leave its data alone."""

    def __init__(self, *data: Any) -> None:
        self.data = data

    @cached_property
    def problem(self) -> Problem:
        """For the equations."""
        return Problem.of(*self.data)


@dataclass(frozen=True, eq=False)
class Asked:
    """Config and data in float64, and what is to be done differently.

    parameters: torch's names; x: (time, batch, input); h_0, c_0: (layers * directions, batch, size), c_0 None unless
    LSTM; lengths: (batch,), None if all are full; functions, places: what is evaluated otherwise (see variants.With);
    reads: what is done to the result; forgetful: every step starts from the initial state; unchanged: the case
    as it is, if that is known; the rest: see Problem.
    """

    config: Config
    parameters: dict[str, Tensor]
    x: Tensor
    h_0: Tensor
    c_0: Tensor | None
    lengths: Tensor | None
    functions: Mapping[str, Function] = field(default_factory=dict)
    places: Mapping[str, Function] = field(default_factory=dict)
    reads: tuple[Read, ...] = ()
    forgetful: bool = False
    join: Join = concatenated
    reads_forwards: bool = False
    reverse_ignores_lengths: bool = False
    unchanged: Unchanged | None = None

    def but(self, **changes: Any) -> "Asked":
        """The same with these fields changed."""
        return replace(self, **changes)

    def reading(self, read: Read) -> "Asked":
        """The same, read() applied to the result after everything else."""
        return replace(self, reads=(*self.reads, read))

    def seeing(self, places: Mapping[str, Function]) -> "Asked":
        """The same with the values at these places changed."""
        merged = dict(self.places)
        for place, change in places.items():
            first = merged.get(place)
            merged[place] = change if first is None else _then(first, change)
        return replace(self, places=merged)

    def evaluating(self, name: str, function: Function) -> "Asked":
        """The same with function in place of the sigmoid, tanh or relu."""
        return replace(self, functions={**self.functions, name: function})

    def parameter(self, change: Callable[[str, Tensor], Tensor]) -> "Asked":
        """The same with change(name, value) for every parameter."""
        return replace(self, parameters={name: change(name, value) for name, value in self.parameters.items()})

    def states(self, change: Callable[[Tensor], Tensor]) -> "Asked":
        """The same with the initial states changed."""
        return replace(self, h_0=change(self.h_0), c_0=None if self.c_0 is None else change(self.c_0))

    def observer(self, _: int) -> With:
        """For each strand."""
        return With(self.functions, self.places)

    def problem(self) -> Problem:
        """For the equations."""
        data = (self.config, self.parameters, self.x, self.h_0, self.c_0, self.lengths)
        as_it_is = self.unchanged is not None and all(map(operator.is_, data, self.unchanged.data))
        problem = self.unchanged.problem if self.unchanged is not None and as_it_is else Problem.of(*data)
        forwards, ignores = self.reads_forwards, self.reverse_ignores_lengths
        return replace(problem, join=self.join, reads_forwards=forwards, reverse_ignores_lengths=ignores)

    def read(self, result: Run) -> Run:
        """The result as this case's reader sees it."""
        for read in self.reads:
            result = read(result)
        return result

    def solve(self) -> Run:
        """What a layer with these changes returns."""
        if not self.forgetful:
            return self.read(run(self.problem(), self.observer))
        return self.read(_joined([run(step.problem(), self.observer) for step in self.single_steps()]))

    def single_steps(self) -> "list[Asked]":
        """Each time step as a case of its own, from the initial state."""
        return [self.but(x=x[None], lengths=None, forgetful=False) for x in self.x]

    def allowed(self, rounding: Rounding, seed: int) -> Run:
        """What one implementation with these changes may be off by."""
        cases = self.single_steps() if self.forgetful else [self]
        found = [budget_of(case.problem(), rounding, seed, equations=self.observer).allowed for case in cases]
        return self.read(_joined(found))


def asked_of(
    config: Config,
    parameters: Mapping[str, Tensor],
    input: Tensor,
    h_0: Tensor | None,
    c_0: Tensor | None,
    lengths: Sequence[int] | Tensor | None,
) -> Asked:
    """A case as it is, from what truth() takes."""
    strands, batch = config.num_layers * config.directions, input.shape[1]
    double = {name: checked(name, parameters[name], shape) for name, shape in config.parameter_shapes().items()}
    h_0 = checked("h_0", h_0, (strands, batch, config.state_size))
    c_0 = checked("c_0", c_0, (strands, batch, config.hidden_size)) if "c" in config.state_sizes else None
    ends = None if lengths is None else torch.as_tensor(lengths, dtype=torch.int64).cpu()
    data = (config, double, checked("input", input, tuple(input.shape)), h_0, c_0, ends)
    return Asked(*data, unchanged=Unchanged(*data))
