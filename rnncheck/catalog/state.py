"""What must hold of the initial and the final state: what it is by default, what it is for, and whose it is."""

from typing import Any

import torch
from torch import Tensor

from rnncheck.catalog.tools.conditions import at_least, deterministic, has_cell, may_be_zero, without_projection
from rnncheck.catalog.tools.deeds import copies
from rnncheck.catalog.tools.designed_weights import FAINT, transparent_parameters, visibly_moved
from rnncheck.catalog.tools.each_state import NOT_USED, STAYS, each_moves, each_moves_anything, is_noticed
from rnncheck.catalog.tools.first_state import begins_otherwise
from rnncheck.catalog.tools.flowing import flows, of_outputs
from rnncheck.catalog.tools.follow_ups import one_after_the_other
from rnncheck.catalog.tools.informative_data import lively
from rnncheck.catalog.tools.reset_flags import raised
from rnncheck.core.mismatch_text import Origins
from rnncheck.core.observation import Observation, every, fact, identical, near
from rnncheck.core.property import Family
from rnncheck.core.run import Run
from rnncheck.core.subject import Layer
from rnncheck.reading.typed.wrapper import Typed
from rnncheck.running.backward import named_results
from rnncheck.running.trial import Trial, subject_boundary

state = Family("state")
ANOTHER = "another first state"
"""Begins the lines of a default state that is not zero, where it is one state and not another path."""


@state(
    "default_is_zero",
    formula="f(x, 0) = f(x), after f(x, 0) too",
    kind="metamorphic",
    applies=deterministic & may_be_zero,
    source="torch.nn.RNN: Inputs, hx defaults to zeros; pytorch/pytorch#17998",
    needs=("hx", "hx_none"),
    convention="without a state it begins from one that is not zero",
    lenient=f"^{ANOTHER}",
)
def default_is_zero(trial: Trial) -> Observation:
    """Leaving out hx gives the same as passing zeros, whatever was called before."""
    zero = trial.but(state=trial.zero_state())
    zero.run  # noqa: B018
    without, sides = trial.but(state=None).run, ("without hx", "with hx zero")
    seen = zero.same(without, sides=sides)
    return seen if seen.holds or not begins_otherwise(trial) else zero.same(without, f"{ANOTHER}: ", sides)


@state(
    "one_tensor",
    formula="f(x, (s, s)) ≡ f(x, (s, copy of s))",
    kind="metamorphic",
    applies=deterministic & has_cell & without_projection,
    source="one tensor of zeros for both, as in `h0 = c0 = torch.zeros(...)`",
    needs=("hx",),
    cost=2,
)
def one_tensor(trial: Trial) -> Observation:
    """h_0 and c_0 may be one and the same tensor: the result is the same, bit for bit, as with two equal tensors."""
    t = trial.but(state=(trial.given_state[0],) * 2)

    def run(shared: bool) -> Run:
        x, given = t.lay_out(t.x, t.state)
        s, copy = given or ()
        with subject_boundary("calling"), torch.set_grad_enabled(trial.case.training):
            return t.read(*trial.layer(x, (s, s if shared else copy))).map(Tensor.detach)

    return t.identical(run(shared=True), run(shared=False), sides=("with one tensor", "with two equal ones"))


@state(
    "is_last_output",
    formula="h_n[-1] = y[last step], and of the reverse direction y[0]",
    kind="invariant",
    cost=1,
    source="torch.nn.RNN: Outputs; allenai/allennlp#1713",
    needs=("last_output", "state"),
    applies=deterministic & at_least(time=1),
)
def is_last_output(trial: Trial) -> Observation:
    """The last layer's h_n equals its output at each sequence's last step (in the reverse direction, at its first)."""
    forward, *reverse = by_direction(trial.run.output, trial)
    last = torch.tensor(trial.lengths or [trial.time] * trial.batch, dtype=torch.int64) - 1
    ends = torch.stack([forward[last, torch.arange(trial.batch)], *(part[0] for part in reverse)])
    top = slice(-len(ends), None)
    right = (part.h_n[top] for part in trial.right or ())
    sides = Origins("in h_n", "in the output", *right)
    axes = ("direction", "batch", "features")
    return near("h_n of the last layer", trial.run.h_n[top], ends, lambda: trial.budget.twice.h_n[top], axes, sides)


def by_direction(output: Tensor, trial: Trial) -> Tensor:
    """(directions, time, batch, features) of an output (time, batch, directions * features)."""
    return output.unflatten(-1, (trial.config.directions, trial.config.state_size)).movedim(-2, 0)


def blocks(elements: Run, trial: Trial) -> dict[str, Tensor]:
    """Of which direction's output, and which layer's and direction's states, any element is True."""
    parts = {**dict(elements.parts()), "output": by_direction(elements.output, trial)}
    return {name: part.flatten(1).any(1) for name, part in parts.items()}


@state(
    "moves",
    formula="f(x) and f(x') end in other states",
    kind="metamorphic",
    needs=("state",),
    cost=2,
    source="a cell that returns the state it was given: recurrence is what carries an input on",
    applies=deterministic & at_least(time=1, batch=1),
    convention="a part of the state comes back as it was given: no step changes it",
    lenient=STAYS,
)
def moves(trial: Trial) -> Observation:
    """The final state depends on the input: with another one, or at least with NaN, another state comes back.

    That of a typed recurrence may count steps instead: then it is another than the one that was given. One of several that stays
    as it was given, behind many steps too, is warned of.
    """
    others = (trial.but(x=x) for x in (1 - trial.x, 2 - trial.x, torch.full_like(trial.x, torch.nan)))  # 2 - x turns flags round
    moves = any(not torch.equal(new, old) for other in others for new, old in zip(other.run.state, trial.run.state, strict=True))
    given = zip(trial.run.state, trial.given_state, strict=False)
    moves = moves or (trial.config.named is not None and any(not torch.equal(new, old) for new, old in given))
    finite = all(part.isfinite().all() for part in trial.run.state)
    return (
        fact("the final state with another input", moves, "another" if moves else "the same", "another") & each_moves(trial)
        if finite
        else Observation()
    )


@state(
    "used",
    formula="h_0[l, d], c_0[l, d] move y, h_n, c_n of layer l, direction d, and of the layers above",
    kind="metamorphic",
    source="torch.nn.LSTM: Inputs",
    applies=deterministic & at_least(time=1, batch=1),
    needs=("hx",),
    convention="a part of the state has no effect: it is an output, or for the caller alone, and no step uses it",
    lenient=NOT_USED,
    cost=12,
)
def used(trial: Trial) -> Observation:
    """Changing one initial state changes the results of its own layer and direction and of all layers above, and nothing else.

    Over many steps rounding may hide a change; there, none is required. Where parameters cannot be set, NaN in a layer's part of
    either state moves some result, unless these are not finite anyway. One of several states that are read from their types may
    come back for the caller alone, and is warned of.
    """
    if not trial.subject.offers("load"):
        return _moves_anything(raised(trial, {}))  # a flag at the first step would hide the state
    directions, order = trial.config.directions, torch.arange(trial.config.num_layers * trial.config.directions)
    faint = tuple(torch.full_like(part, FAINT) for part in trial.given_state)
    plain = trial.but(x=torch.full_like(trial.x, FAINT), state=faint, parameters=transparent_parameters(trial))

    def changed(part: int, k: int) -> Observation:
        states = tuple(old.clone() for old in faint)
        states[part][k] = 1.0
        above = (order // directions > k // directions) | (order == k)
        what = f"moved by {('h_0', 'c_0')[part]} of layer {k // directions}, direction {k % directions}"
        other = plain.but(state=states)
        moved = blocks(Run(**{name: part != getattr(plain.run, name) for name, part in other.run.parts()}), trial)
        visible = blocks(visibly_moved(other, plain), trial)

        def only_above(name: str) -> Observation:
            actual, expected = moved[name].cpu(), above[-len(moved[name]) :]
            wanted = torch.where(visible[name], expected, actual & expected)
            axis = "direction" if name == "output" else "layers*directions"
            return identical(f"{name} {what}", actual, wanted, [axis])

        return every(only_above(name) for name, of_parts in moved.items() if len(of_parts))

    return every(changed(part, k) for part in range(len(faint)) for k in range(len(order)))


def _moves_anything(trial: Trial) -> Observation:
    """Whether NaN in each layer's part of each of the initial states reaches any result."""
    layers = trial.config.num_layers

    def noticed(part: int, layer: int) -> Observation:
        given = tuple(old.clone() for old in trial.given_state)
        given[part].unflatten(0, (layers, -1))[layer] = torch.nan
        moves = is_noticed(plain, given)
        name = f"{('h_0', 'c_0')[part]}{f' of layer {layer}' if layers > 1 else ''}"
        why = NOT_USED if not moves and _is_output_alone(trial, part, layer) else ""
        return fact(f"NaN in {name}{why} moves a result", moves, moves, True)

    plain = trial.but(state=trial.given_state)
    if not all(tensor.isfinite().all() for _, tensor in plain.run.parts()):
        return Observation()
    seen = every(noticed(part, layer) for part in range(len(trial.given_state)) for layer in range(layers))
    below = (_moves_the_output(plain, layer) for layer in range(layers - 1))
    return seen & each_moves_anything(plain) & every(below) if seen.holds else seen


def _moves_the_output(plain: Trial, layer: int) -> Observation:
    """Whether NaN in the states of a layer below the last, or a gradient, reaches the output: the layers above read it."""
    given = tuple(old.clone() for old in plain.given_state)
    for part in given:
        part.unflatten(0, (plain.config.num_layers, -1))[layer] = torch.nan
    own = slice(layer * plain.config.directions, (layer + 1) * plain.config.directions)
    moves = is_noticed(plain, given, ("output",)) or flows(plain, of_outputs(plain, slice(None)), ("h_0", "c_0"), own)
    return fact(f"NaN in the states of layer {layer}, below the last, moves the output", moves, moves, True)


def _is_output_alone(trial: Trial, part: int, layer: int) -> bool:
    """Whether this part of the state is an output that comes back once more, and that no step uses: without it, a sequence in two
    pieces is the same.
    """
    if not trial.subject.offers("state"):
        return False
    t = lively(trial.but(lengths=None))
    first = t.but(x=t.x[:1]).run
    ends, output = first.state[part].unflatten(0, (trial.config.num_layers, -1))[-1], first.output[-1]
    if ends.numel() != output.numel() or not torch.equal(ends.reshape(output.shape), output):
        return False
    left = tuple(old.clone() for old in first.state)
    left[part].unflatten(0, (trial.config.num_layers, -1))[layer] = 0
    return t.same(one_after_the_other(first, t.but(x=t.x[1:], state=left).run)).holds


@state(
    "fresh",
    formula="(y, h_n) = f(x); f(x'); y, h_n ≡ before; f(x) ≡ before; g(x) ≡ before",
    kind="metamorphic",
    source="pytorch/rl#1406; tensorflow/tensorflow#34055",
    applies=deterministic,
    cost=6,
)
def fresh(trial: Trial) -> Observation:
    """Results belong to the caller: later calls never change them, and editing them never changes a later call."""
    given = [*trial.arguments, *trial.but(x=-trial.x).arguments, *trial.arguments, *trial.arguments]
    seen = trial.do(called_and_written_over, trial.build(), trial.build(), *given)
    first = seen.pop("in the first call")
    together = every(
        identical(f"{name} {when}", part, first[name], sides=Origins("now", "in the first call"))
        for when, now in seen.items()
        for name, part in now.items()
    )
    return together & _parts_stay(trial)


def _parts_stay(trial: Trial) -> Observation:
    """The same of several tensors that a typed recurrence returns, and that lie side by side in copies above."""
    layer = trial.build()
    if not isinstance(layer.module, Typed):
        return Observation()
    returned: list[Tensor] = []
    layer.module.own = returned
    trial.call_on(layer)
    layer.module.own = None
    first = [part.detach().clone() for part in returned]
    trial.but(x=-trial.x).call_on(layer)
    sides = Origins("now", "in the first call")
    pairs = enumerate(zip(returned, first, strict=True))
    return every(identical(f"result {i} after the next call", part.detach(), was, sides=sides) for i, (part, was) in pairs)


def called_and_written_over(
    layer: Layer, twin: Layer, x: Any, hx: Any, other: Any, other_hx: Any, again: Any, again_hx: Any, elsewhere: Any, its_hx: Any
) -> dict[str, dict[str, Tensor]]:
    """Return the results of a call; what they are after another; and those of two more, once all have been written over."""
    returned = named_results(layer(x, hx))
    first = copies(returned)
    layer(other, other_hx)
    kept = copies(returned)
    for part in returned.values():
        part.detach().fill_(float("nan"))
    return {
        "in the first call": first,
        "after the next call": kept,
        "of the same call, once the caller has changed it": copies(named_results(layer(again, again_hx))),
        "of another layer": copies(named_results(twin(elsewhere, its_hx))),
    }
