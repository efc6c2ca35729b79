"""What must hold of the two directions of a layer, side by side and exchanged."""

import torch
from torch import Tensor

from rnncheck.catalog.tools.conditions import at_least, batched, bidirectional, deterministic, one_layer, padded
from rnncheck.catalog.tools.follow_ups import backwards, parameters_of
from rnncheck.catalog.tools.informative_data import in_many_digits
from rnncheck.core.observation import Observation, every, identical
from rnncheck.core.property import Family
from rnncheck.core.run import Run
from rnncheck.core.subject import NotClaimed
from rnncheck.running.trial import Trial

direction = Family("direction")


@direction(
    "two_nets",
    formula="bi(x)_t = [forward(x)_t, reversed(x)_t], reversed(x) = flip(forward'(flip(x)))",
    kind="metamorphic",
    needs=("load",),
    source="Schuster and Paliwal 1997; HKUST-KnowComp/R-Net#13",
    applies=bidirectional & one_layer & deterministic,
)
def two_nets(trial: Trial) -> Observation:
    """A bidirectional layer equals a forward layer and a backward layer, their outputs concatenated at every step."""

    def net(x: Tensor, which: int, suffix: str) -> Run:
        state = trial.map_state(lambda part: part[which : which + 1])
        parameters = parameters_of(trial.parameters, suffix, "_l0")
        return trial.but(x=x, state=state, parameters=parameters, bidirectional=False, dropout=0.0).run

    onward = net(trial.x, 0, "_l0")
    back = net(backwards(trial.x, trial.lengths), 1, "_l0_reverse")
    output = torch.cat([onward.output, backwards(back.output, trial.lengths)], dim=-1)
    states = (torch.cat(parts) for parts in zip(onward.state, back.state, strict=True))
    return trial.same(Run(output, *states), sides=("from two nets", "from the bidirectional layer"))


@direction(
    "reversal",
    formula="f(x; W, W') = swap(flip(f(flip(x); W', W)))",
    kind="metamorphic",
    needs=("load",),
    source="time-reversal symmetry; keras-team/keras#1001",
    applies=bidirectional & deterministic,
)
def reversal(trial: Trial) -> Observation:
    """Swapping the two directions' parameters and states and reversing time reverses the output and swaps its halves."""
    parameters = {_other(name): _inputs_exchanged(trial, name, p) for name, p in trial.parameters.items()}
    state = trial.map_state(_directions_exchanged)
    turned = trial.but(x=backwards(trial.x, trial.lengths), state=state, parameters=parameters).run
    output = backwards(_halves_exchanged(turned.output), trial.lengths)
    back = Run(output, *(_directions_exchanged(part) for part in turned.state))
    return trial.same(back, sides=("turned round", "as it is"))


@direction(
    "causal",
    formula="x[k:] changes => forward(x)[:k] stays; x[:k] changes => reversed(x)[k:] stays",
    kind="metamorphic",
    source="causality; keras-team/keras#1001",
    applies=bidirectional & one_layer & batched & deterministic & at_least(time=2, batch=1),
)
def causal(trial: Trial) -> Observation:
    """A change at a later step changes no earlier output of the forward half; one at an earlier step, none of the reverse half."""
    if not (trial.subject.nature.get("bidirectional") or trial.subject.offers("load")):
        return Observation()  # there may be more layers inside, above which each half sees everything
    own, half = trial.run.output, trial.run.output.shape[-1] // 2

    def changed_at(k: int) -> Observation:
        later, earlier = ([trial.x[:k], 1 - trial.x[k:]], [1 - trial.x[:k], trial.x[k:]])
        ahead, back = (trial.but(x=torch.cat(x)).run.output for x in (later, earlier))
        forward = torch.cat([ahead[:k, :, :half], own[k:, :, :half]])
        reverse = torch.cat([own[:k, :, half:], back[k:, :, half:]])
        other = Run(torch.cat([forward, reverse], dim=-1), *trial.run.state)
        return trial.same(other, f"input up to, or from, step {k} changed: ", ("with another input there", "with the case's own"))

    return every(changed_at(k) for k in {1, trial.time - 1})


STEPS = 5
"""Steps in which a half that is not turned back leaves gaps in what an output sees."""


@direction(
    "turned",
    formula="not: y_t moves with x_s  <=>  s <= t or s >= T - 1 - t",
    kind="invariant",
    source="two GRUs, torch.flip for the second one's input alone, and a linear layer over both",
    applies=batched & padded & deterministic & at_least(batch=1),
    cost=6,
)
def turned(trial: Trial) -> Observation:
    """Outputs that see later steps see all between: the half that reads from the end is turned back, also behind a layer."""
    if trial.subject.offers("load"):
        raise NotClaimed("what each half of its outputs sees is known: see time.reach")
    x = trial.like(trial.x.new_empty(STEPS, trial.batch, trial.config.input_size), "steps")
    t = in_many_digits(trial.but(x=x, training=False))
    seen = torch.stack([_moved(t, s) for s in range(STEPS)])
    s, at = torch.arange(STEPS)[:, None], torch.arange(STEPS)
    if not bool(seen[s > at].any()):
        raise NotClaimed("its outputs see no later steps")
    with_gaps = torch.equal(seen, (s <= at) | (s >= STEPS - 1 - at))
    return identical("whether output[t] depends on x[s]", seen, torch.ones_like(seen) if with_gaps else seen, ("s", "t"))


def _moved(t: Trial, s: int) -> Tensor:
    """Which outputs another input of one step moves."""
    x = t.x.clone()
    x[s] = 1 - x[s]
    return (t.but(x=x).run.output != t.run.output).flatten(1).any(1).cpu()


def _other(name: str) -> str:
    return name.removesuffix("_reverse") if name.endswith("_reverse") else name + "_reverse"


def _inputs_exchanged(trial: Trial, name: str, parameter: Tensor) -> Tensor:
    """Above the first layer, weight_ih reads both halves of the output below, which are exchanged too."""
    above = name.startswith("weight_ih") and "_l0" not in name
    return _halves_exchanged(parameter) if above else parameter


def _halves_exchanged(tensor: Tensor) -> Tensor:
    return tensor.roll(tensor.shape[-1] // 2, dims=-1)


def _directions_exchanged(state: Tensor) -> Tensor:
    return state.unflatten(0, (-1, 2)).flip(1).flatten(0, 1)
