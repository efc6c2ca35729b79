"""What must hold of the gates and of what they do to the state; measured from outside, whatever the layer hides."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from rnncheck.catalog.tools.conditions import (
    at_least,
    blends,
    deterministic,
    gated,
    has_bias,
    has_torch_cell,
    one_layer,
    saturating,
    without_projection,
)
from rnncheck.catalog.tools.documented_equations import closed_forms, next_state
from rnncheck.catalog.tools.follow_ups import exact
from rnncheck.catalog.tools.gate_measurement import SATURATED, measured_gates, one_step, pinned, roundoff, settable, with_ones
from rnncheck.core.kinds import Latch, State
from rnncheck.core.observation import Observation, both, every, near, within
from rnncheck.core.property import Family
from rnncheck.core.run import Run
from rnncheck.running.trial import Trial

gate = Family("gate")
can_set = ("load", "hx", "state")
UNIT = ("layers*directions", "batch", "hidden")


@gate(
    "one_step",
    formula="f(x_0, state) = cell(x_0, state)",
    kind="differential",
    needs=("load",),
    source="the equations in torch.nn's documentation, written out again",
    applies=one_layer & deterministic,
)
def single_step(trial: Trial) -> Observation:
    """One step of the layer matches one step of its cell's equations."""
    step = first_step(trial)
    each = [next_state(step, index) for index in range(trial.config.directions)]
    return both(step.run, _joined(each), step.budget.allowed)


@gate(
    "range",
    formula="0 <= i, f, o, r, z <= 1",
    kind="invariant",
    needs=can_set,
    cost=5,
    source="sigmoid's range; Lasagne/Lasagne#448",
    applies=gated & settable & deterministic,
)
def gate_range(trial: Trial) -> Observation:
    """Update, reset, input, forget and output gates lie in [0, 1]."""
    return _all_within(trial, trial.config.kind.sigmoids, "gate", 0.0)


@gate(
    "candidate_range",
    formula="-1 <= g, n, h <= 1",
    kind="invariant",
    needs=can_set,
    cost=5,
    source="tanh's range",
    applies=saturating & settable & deterministic,
)
def candidate_range(trial: Trial) -> Observation:
    """Candidate states lie in [-1, 1]: g in an LSTM, n in a GRU, h itself in a tanh RNN."""
    return _all_within(trial, trial.config.kind.candidate, "candidate", -1.0)


def _all_within(trial: Trial, letters: str, what: str, low: float) -> Observation:
    gates = {letter: gate for letter, gate in measured_gates(trial).items() if letter in letters}
    return every(within(f"{what} {letter}", seen.value, low, 1.0, seen.allowed, UNIT) for letter, seen in gates.items())


HELD = 20
"""Steps over which they do it."""


@gate(
    "latch",
    kind="invariant",
    formula="f = 1: c' = c + i g;  f = 0: c' = i g;  z = 1: h' = h;  z = 0: h' = n;  o = 0: h' = 0",
    needs=can_set,
    cost=4,
    source="Hochreiter and Schmidhuber 1997: the constant error carousel; NX-AI/xlstm#98",
    applies=gated & settable & deterministic,
)
def latch(trial: Trial) -> Observation:
    """With gates forced fully open or shut, the state is kept, accumulated, overwritten, cleared or hidden, for 20 steps."""
    x = trial.like(trial.x.new_empty(HELD, *trial.x.shape[1:]), "input while latched")
    state = tuple(trial.like(part, f"latched state {i}", scale=4.0) for i, part in enumerate(trial.given_state))
    ready = trial.but(x=with_ones(x), state=state, lengths=trial.lengths and (HELD,) * trial.batch)

    def latched(what: Latch) -> Observation:
        actual = getattr(ready.but(parameters=pinned(ready, _saturated(what.gates))).run, what.part)
        wanted = _becomes(ready, what, actual)
        allowed = HELD * 2 * roundoff(trial) * (1 + exact(wanted).abs())  # each step, a product and a sum
        return near(f"{what.words}: {what.part}", actual, wanted, allowed, Run.AXES[what.part])

    return every(latched(what) for what in trial.config.kind.latches)


def _saturated(gates: Mapping[str, int]) -> dict[str, float]:
    return {letter: sign * SATURATED for letter, sign in gates.items()}


def _becomes(ready: Trial, what: Latch, actual: Tensor) -> Tensor:
    """What a part of the result must be after HELD steps."""
    if isinstance(what.becomes, float):
        return torch.full_like(actual, what.becomes)
    start = dict(zip(ready.config.state_sizes, ready.given_state, strict=True))[what.part.removesuffix("_n")]
    return start if what.becomes == "kept" else exact(start) + HELD


@gate(
    "closed_form",
    kind="invariant",
    needs=("load",),
    source="the documented equations with W = U = 0",
    formula="LSTM c_t = f^t c_0 + i g (1 + f + ... + f^(t-1)), GRU h_t = z^t h_0 + (1 - z^t) n, RNN h_t = tanh(b)",
    applies=has_bias & deterministic & at_least(batch=1),
    cost=3,
)
def closed_form(trial: Trial) -> Observation:
    """With zero weights and random biases, the layer follows the closed form of the documented equations."""
    parameters = {name: _biases_only(trial, name, parameter) for name, parameter in trial.parameters.items()}
    scalar = trial.but(parameters=parameters)
    return both(scalar.run, closed_forms(scalar), scalar.budget.allowed)


def _biases_only(trial: Trial, name: str, parameter: Tensor) -> Tensor:
    if name.startswith("weight_hr"):
        return parameter
    return torch.zeros_like(parameter) if parameter.dim() == 2 else trial.like(parameter, f"random {name}")


@gate(
    "state_bound",
    kind="invariant",
    formula="LSTM |h_t| <= 1, |c_t| <= |c_0| + t;  GRU |h_t| <= max(|h_0|, 1);  tanh in [-1, 1];  relu >= 0",
    source="the ranges of sigmoid, tanh and relu",
    cost=1,
    needs=("equations",),
    applies=deterministic,
)
def state_bound(trial: Trial) -> Observation:
    """States stay within the bounds that the ranges of gates and candidates imply."""
    # relu may overflow, and inf - inf is no number: that is numeric.*'s business
    run = trial.run.map(lambda part: torch.where(part.isnan(), 0.0, part)) if trial.config.kind.rectifies else trial.run
    starts = zip(trial.config.kind.states, trial.given_state, strict=True)
    bounds = {state.letter: _bound(trial, state, start) for state, start in starts}
    seen = [_at_most(trial, run.output, _of_output(trial, bounds["h"]), trial.config.kind.states[0], "output")]
    returned = [s for s in trial.config.kind.states if len(run.states[s.letter])]
    seen += [_at_most(trial, run.states[s.letter], bounds[s.letter], s, f"{s.letter}_n") for s in returned]
    return every(seen)


def _bound(trial: Trial, state: State, start: Tensor) -> Tensor:
    bound = state.bound(exact(start).abs(), trial.time)
    return torch.full_like(bound, torch.inf) if state.projected and trial.config.proj_size else bound


def _of_output(trial: Trial, h_bound: Tensor) -> Tensor:
    """The bound of the last layer's h at every step."""
    return h_bound[-trial.config.directions :].transpose(0, 1).flatten(1).expand(trial.run.output.shape)


def _at_most(trial: Trial, part: Tensor, bound: Tensor, state: State, name: str) -> Observation:
    roundoffs = state.roundoffs * roundoff(trial) * (trial.time if state.adds_up else 1)
    low = torch.zeros_like(bound) if state.positive else -bound
    allowed = torch.where(bound.isinf(), 0.0, roundoffs * bound)
    return within(name, exact(part), low, bound, allowed, Run.AXES[name])


@gate(
    "blend",
    formula="min(n, h) <= (1 - z) n + z h <= max(n, h)",
    kind="invariant",
    needs=can_set,
    cost=2,
    source="Cho et al. 2014: a linear interpolation; mquad/hgru4rec#11",
    applies=blends & one_layer & deterministic,
)
def blend(trial: Trial) -> Observation:
    """A GRU's new state lies between its candidate and its old state."""
    step = one_step(trial)
    written = step.but(parameters=pinned(step, _saturated(step.config.kind.passes_on)))
    candidate, old = exact(written.run.h_n), exact(step.given_state[0])
    low, high = torch.minimum(candidate, old), torch.maximum(candidate, old)
    return within("h_n", exact(step.run.h_n), low, high, written.budget.allowed.h_n + step.budget.allowed.h_n, UNIT)


@gate(
    "torch_cell",
    formula="f(x_0, state) = torch.nn.*Cell(x_0, state)",
    kind="differential",
    needs=("load",),
    source="torch.nn.RNNCell, GRUCell, LSTMCell",
    applies=one_layer & without_projection & has_torch_cell & deterministic,
)
def torch_cell(trial: Trial) -> Observation:
    """One step of the layer matches one call of torch's cell with the same parameters."""
    step = first_step(trial)
    each = [_cell_state(step, index) for index in range(trial.config.directions)]
    return both(step.run, _joined(each), step.budget.twice)


def first_step(trial: Trial) -> Trial:
    """The first step alone, with the case's own parameters."""
    return trial.but(x=trial.x[:1], lengths=trial.lengths and (1,) * trial.batch)


def _joined(directions: list[tuple[Tensor, ...]]) -> Run:
    """A run of one step from the new state of each direction."""
    output = torch.cat([state[0] for state in directions], dim=-1)
    return Run(output[None], *(torch.stack(parts) for parts in zip(*directions, strict=True)))


def _cell_state(step: Trial, index: int) -> tuple[Tensor, ...]:
    config, suffix = step.config, step.config.suffixes()[index][2]
    sizes = config.input_size, config.hidden_size, config.bias
    made: Any = config.kind.cell
    cell: nn.RNNCellBase = made(*sizes, **config.kind.arguments, device=step.x.device, dtype=step.x.dtype)
    own = {name.removesuffix(suffix): p for name, p in step.parameters.items() if name.endswith(suffix)}
    cell.load_state_dict(own)
    state = tuple(part[index] for part in step.given_state)
    with torch.no_grad():
        new = cell(step.x[0], config.as_hx(state))
    return new if config.takes_tuple else (new,)
