"""Forward and backward passes in float64, with or without rounding errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import torch
from torch import Tensor

from rnncheck.core.run import Run
from rnncheck.oracle.perturbation import Perturb
from rnncheck.oracle.trace import Trace
from rnncheck.oracle.truth import Problem, final_states

Sides = tuple[Tensor, Tensor]
"""Which rectifiers are in doubt, (time, 1, batch, hidden), and whether a copy takes it as on, (time, copies, …)."""


class Rounded(Trace):
    """Keeps every value, with the rounding errors that were added to it, and takes doubtful rectifiers either way."""

    def __init__(self, jitter: Perturb, sides: Sides | None = None) -> None:
        super().__init__()
        self._jitter, self._sides, self._time = jitter, sides, 0

    def __call__(self, place: str, time: int, value: Tensor) -> Tensor:
        self._time = time
        return super().__call__(place, time, self._jitter(place, time, value))

    def relu(self, value: Tensor) -> Tensor:
        on = value > 0
        if self._sides is not None:
            doubtful, side = self._sides
            on = torch.where(doubtful[self._time], side[self._time], on)
        return torch.where(on, value, 0.0)


@dataclass(frozen=True, eq=False)
class Pass:
    """One forward and backward pass; all tensors detached, with an axis of copies in front of the batch.

    grads: for each strand, place -> gradient of the values there; inputs: what each strand's layer got.
    """

    traces: list[Trace]
    inputs: list[Tensor]
    grads: list[dict[str, Tensor]]
    start: dict[str, Tensor]


Added = Sequence[Mapping[str, Tensor]]


def forward(problem: Problem, traces: Sequence[Trace], copies: int) -> tuple[Run, list[Tensor]]:
    """The results (with copies) and each strand's input."""
    x, directions, strands, inputs = problem.x, problem.config.directions, [], []
    for layer in range(problem.config.num_layers):
        indices = range(layer * directions, (layer + 1) * directions)
        new = [problem.strand(index, x, traces[index], copies) for index in indices]
        inputs += [x] * directions
        x = problem.join([strand.output for strand in new])
        strands += new
    return Run(x, *final_states(strands, lambda value: value)), inputs


DIFFERENTIATED = ("x", "rec", "c", "m", "h")
"""The places whose gradients are wanted."""


def differentiate(problem: Problem, traces: Sequence[Trace], cotangents: Run, copies: int, added: Added) -> Pass:
    """added: for each strand, place (or "input") -> what is added to the gradient of the values there."""
    leaves = {"input": problem.x, "h_0": problem.h_0} | ({} if problem.c_0 is None else {"c_0": problem.c_0})
    leaves = {name: value.repeat_interleave(copies, -3).requires_grad_() for name, value in leaves.items()}
    problem = replace(problem, x=leaves["input"], h_0=leaves["h_0"], c_0=leaves.get("c_0"))
    with torch.enable_grad():
        result, inputs = forward(problem, traces, copies)
    flowing = [(part, getattr(cotangents, name).expand_as(part)) for name, part in result.parts()]
    for trace, x, terms in zip(traces, inputs, added, strict=True):
        for place, number in terms.items():
            steps = zip(_in_order(trace.values[place]), number.unbind(-4), strict=True) if place != "input" else [(x, number)]
            flowing += steps
    outputs, weights = zip(*flowing, strict=True)
    asked = [*leaves.values(), *(step for trace in traces for step in _steps(trace))]
    found = iter(torch.autograd.grad(outputs, asked, weights))
    start = {name: next(found) for name in leaves}
    grads = [_by_place(trace, list(islice(found, len(_steps(trace))))) for trace in traces]
    return Pass([trace.detached() for trace in traces], [x.detach() for x in inputs], grads, start)


def _steps(trace: Trace) -> list[Tensor]:
    """The values that are differentiated by, step after step, place after place."""
    places = (trace.values[place] for place in DIFFERENTIATED if place in trace.values)
    return [step for steps in places for step in _in_order(steps)]


def _in_order(steps: Mapping[int, Tensor]) -> list[Tensor]:
    return [steps[time] for time in range(len(steps))]


def _by_place(trace: Trace, grads: list[Tensor]) -> dict[str, Tensor]:
    """The gradients of _steps(trace) as one tensor a place."""
    rest, found = iter(grads), {}
    for place in DIFFERENTIATED:
        steps = list(islice(rest, len(trace.values.get(place, ()))))
        if steps:
            found[place] = torch.stack(steps, dim=-4 if steps[0].dim() > 3 else 0)
    return found
