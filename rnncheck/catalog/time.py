"""What must hold along the time axis: continuation, shared weights, reach and memory."""

from collections.abc import Callable

import torch
from torch import Tensor

from rnncheck.catalog.tools.conditions import (
    at_least,
    batched,
    deterministic,
    one_direction,
    packed,
    padded,
)
from rnncheck.catalog.tools.designed_weights import FAINT, bistable_parameters, transparent_parameters, visibly_moved
from rnncheck.catalog.tools.flowing import flows, of_outputs
from rnncheck.catalog.tools.follow_ups import ends, exact, one_after_the_other, rows, single_steps, steps_at_once, steps_inside
from rnncheck.core.observation import Observation, every, fact, identical, within
from rnncheck.core.property import Family
from rnncheck.core.run import Run
from rnncheck.running.trial import Trial

time = Family("time")
IN_TWO, IN_SEVERAL = (("in two calls", "in one call"), ("in several calls", "in one call"))
forward = deterministic & one_direction & at_least(time=2)


@time(
    "split",
    formula="f(x) = f(x[:k]) ++ f(x[k:], state)",
    kind="metamorphic",
    needs=("hx", "state"),
    cost=8,
    source="streaming equivalence; Keras stateful layers",
    applies=forward & padded,
)
def split(trial: Trial) -> Observation:
    """Running a sequence in two pieces, carrying the state over, gives the same as running it at once."""
    return every(trial.same(_in_calls(trial, k), f"split at {k}: ", IN_TWO) for k in ends(trial))


@time(
    "split_packed",
    kind="metamorphic",
    formula="f(pack(x)) = f(pack(x[:k])) ++ f(pack(x[k:]), state of those that go on)",
    needs=("hx", "state"),
    cost=8,
    source="truncated back-propagation over packed batches",
    applies=forward & packed,
)
def split_packed(trial: Trial) -> Observation:
    """A packed batch run in two pieces (finished sequences left out of the second) gives the same as in one."""
    assert trial.lengths is not None
    lengths = trial.lengths

    def in_two(k: int) -> Run:
        first = trial.but(x=trial.x[:k], lengths=tuple(min(n, k) for n in lengths)).run
        going_on = [row for row, n in enumerate(lengths) if n > k]
        later = trial.but(x=trial.x[k:], lengths=tuple(max(n - k, 0) for n in lengths), state=first.state)
        left = rows(later, going_on)
        whole = Run(torch.zeros_like(trial.run.output), *(part.clone() for part in first.state))
        whole.output[:k] = first.output
        whole.output[k:, going_on] = left.run.output
        for part, new in zip(whole.state, left.run.state, strict=True):
            part[:, going_on] = new
        return _as_carried(trial, whole)

    return every(trial.same(in_two(k), f"split at {k}: ", IN_TWO) for k in range(1, max(lengths)))


@time(
    "step_by_step",
    formula="f(x) = f(x_0) ++ f(x_1, state_1) ++ ... ++ f(x_T-1, state_T-1)",
    kind="metamorphic",
    needs=("hx", "state"),
    cost=4,
    source="autoregressive decoding; pytorch/rl#1406",
    applies=forward & padded,
)
def step_by_step(trial: Trial) -> Observation:
    """One call per step, carrying the state over, gives the same as one call for the whole sequence."""
    if trial.subject.takes_steps(1):
        return trial.same(_in_calls(trial, *single_steps(trial, 1)), sides=("step by step", "in one call"))
    return trial.same(_in_calls(trial, *ends(trial)), sides=("chunk by chunk", "in one call"))


@time(
    "prefill",
    formula="f(x) = f(x[:k]) ++ f(x_k, state) ++ f(x[k+1:], state)",
    kind="metamorphic",
    needs=("hx", "state"),
    cost=4,
    source="a prompt, a token, then several at once: huggingface/transformers#45513",
    applies=forward & padded & at_least(time=3),
)
def prefill(trial: Trial) -> Observation:
    """Several steps at once, then a single one, then the rest at once, carrying the state over, gives the same as one call."""
    k = steps_at_once(trial, trial.time - 2)
    if trial.subject.steps > 1:
        return trial.same(_in_calls(trial, k, *single_steps(trial, k + 1)), f"{k} steps, then single ones: ", IN_SEVERAL)
    return trial.same(_in_calls(trial, k, k + 1), f"{k} steps, 1, {trial.time - k - 1}: ", ("in three calls", "in one call"))


def _in_calls(trial: Trial, *ends: int) -> Run:
    """One call up to each of these steps and one for the rest, carrying the state over."""
    run, begin = trial.but(x=trial.x[: ends[0]]).run, ends[0]
    for end in (*ends[1:], trial.time):
        run, begin = one_after_the_other(run, trial.but(x=trial.x[begin:end], state=run.state).run), end
    return _as_carried(trial, run)


def _as_carried(trial: Trial, run: Run) -> Run:
    """A run in pieces as far as the state carries it: an output that looks back over its call is that of one call."""
    return Run(trial.run.output, *run.state) if trial.subject.nature.get("looks_back") else run


@time(
    "in_pieces",
    formula="f(x) ≡ f(x[:k]) ++ f(x[k:], state)",
    kind="metamorphic",
    needs=("hx", "state", "in_pieces"),
    cost=8,
    source="a cache that may be filled in any pieces without a change of results",
    applies=forward & padded,
)
def in_pieces(trial: Trial) -> Observation:
    """Claimed by the layer: a sequence in two pieces gives the same as at once, bit for bit."""
    return every(trial.identical(_in_calls(trial, k), trial.run, f"split at {k}: ", IN_TWO) for k in ends(trial))


@time(
    "same_weights",
    formula="f(x[:t+1]) = F(x_t, state after x[:t]) with one F for all t, all t in one call",
    kind="metamorphic",
    needs=("hx", "state"),
    cost=8,
    source="Goodfellow et al., Deep Learning, 10.1: unfolding",
    applies=forward & padded & batched & at_least(batch=1),
)
def same_weights(trial: Trial) -> Observation:
    """Every step computes the same function: stepping once from the state after x[:t] gives step t."""
    own = trial.config.named is not None or trial.subject.of_its_own
    begin = int(trial.state is None and own)  # it may begin from another state than zero
    prefixes = [trial.but(x=trial.x[:t]).run for t in range(1, trial.time)]
    states = [*([] if begin else [trial.given_state]), *(run.state for run in prefixes)]
    if not states:
        return Observation()  # one step without a state is all there is
    before = tuple(torch.cat(parts, dim=1) for parts in zip(*states, strict=True))
    together = trial.but(x=trial.x[begin:].reshape(1, -1, trial.x.shape[2]), state=before).run
    after = (part[:, -trial.batch :] for part in together.state)
    output = together.output.reshape(trial.time - begin, *trial.run.output.shape[1:])
    output = torch.cat([prefixes[0].output, output]) if begin else output
    return trial.same(_as_carried(trial, Run(output, *after)), sides=("from single steps", "in one call"))


@time(
    "reach",
    kind="invariant",
    formula="y_t moves with x_s  <=>  s <= t (forward), s >= t (reverse), always (above two directions)",
    needs=("load",),
    cost=8,
    source="causality; zhiyongc/GRU-D#5, stanfordmlgroup/nlc#8",
    applies=deterministic & at_least(batch=1),
)
def reach(trial: Trial) -> Observation:
    """output[t] depends on exactly the inputs it may see: up to t (forward), from t on (reverse), all (stacked bidirectional).

    Rounding may hide an input from long ago; there, no dependence is required.
    """
    faint = torch.full_like(trial.x, FAINT)
    state = trial.state and trial.zero_state()
    quiet = trial.but(x=faint, state=state, parameters=transparent_parameters(trial))

    def anywhere(features: Tensor) -> Tensor:
        return features.unflatten(2, (trial.config.directions, -1)).any(3)

    def moved(s: int) -> tuple[Tensor, Tensor]:
        changed = quiet.but(x=faint.index_fill(0, torch.tensor(s, device=faint.device), 1.0))
        distance = (exact(changed.run.output) - exact(quiet.run.output)).abs()
        return anywhere(distance > 2 * quiet.budget.allowed.output), anywhere(visibly_moved(changed, quiet).output)

    actual, visible = map(torch.stack, zip(*(moved(s) for s in range(trial.time)), strict=True))
    inside = within_reach(trial).cpu()
    wanted = torch.where(visible, inside, actual & inside)
    return identical("whether output[t] depends on x[s]", actual, wanted, ("s", "t", "batch", "direction"))


def within_reach(trial: Trial) -> Tensor:
    """bool (time s, time t, batch, directions): whether the output at t may depend on the input at s."""
    steps = torch.arange(trial.time, device=trial.x.device)
    forward_of, backward_of = steps[:, None] <= steps, steps[:, None] >= steps
    both = torch.ones_like(forward_of)
    halves = [forward_of, backward_of] if trial.config.bidirectional else [forward_of]
    pattern = torch.stack(halves if trial.config.num_layers == 1 or len(halves) == 1 else [both, both], dim=-1)
    inside = steps_inside(trial)
    return pattern[:, :, None] & inside[:, None, :, None] & inside[None, :, :, None]


LATER = "later outputs move, and not "


@time(
    "causal",
    formula="x[k:] changes  =>  f(x)[:k] stays, f(x)[k] moves",
    kind="metamorphic",
    source="causality; it needs no parameters, so that it holds of any recurrence",
    applies=forward & padded & at_least(batch=1),
    cost=4,
    convention="an output does not depend on its own step: it is a forecast, or one step late",
    lenient=f"^{LATER}",
)
def causal(trial: Trial) -> Observation:
    """A change at a later step changes no earlier output; its own output changes with it, or at least with NaN or large numbers.

    What a recurrence that is read from its types returns may be a forecast: then a later output or the state changes, and the
    layer is warned of. An output may also be of the step before, as where a decoder is given the targets.
    """
    sides = ("with another sequel", "with the case's own")

    def changed_from(k: int) -> Observation:
        changed = trial.but(x=torch.cat([trial.x[:k], 1 - trial.x[k:]])).run
        before = Run(torch.cat([changed.output[:k], trial.run.output[k:]]), *trial.run.state)
        seen = trial.same(before, f"input from step {k} on changed: ", sides)
        if trial.subject.nature.get("shifted"):
            return seen
        own = fact(f"output[{k}] with another input[{k}]", *_moved(trial, changed, k, _own_output, slice(k, k + 1)))
        if own.holds or trial.config.named is None:
            return seen & own
        moved = _moved(trial, changed, k, _from_step, slice(k, trial.time))
        later = fact(f"what comes from step {k} on with another input[{k}]", *moved)
        return seen & (fact(f"{LATER}output[{k}], with another input[{k}]", False, "the same", "another") if later.holds else later)

    return every(changed_from(k) for k in sorted({0, 1, trial.time - 1}))


LARGE = 1000.0
"""Times an input of usual size: beyond any threshold, and within the range of float16."""


def _moved(trial: Trial, changed: Run, k: int, part: Callable[[Run, int], Tensor], steps: slice) -> tuple[bool, str, str]:
    """Whether this part of a run moves with the input at step k, as fact() wants it: NaN goes through what is saturated, large
    numbers move spikes, which are 0 or 1, and a gradient of the outputs of these steps goes through spikes of spikes.
    """
    own = part(trial.run, k)
    moves = not torch.equal(part(changed, k), own) or not own.isfinite().all()
    large = LARGE * trial.like(trial.x[k], "large input")
    for extreme in (torch.full_like(large, torch.nan), large, -large):
        if not moves:
            x = trial.x.clone()
            x[k] = extreme
            moves = not torch.equal(part(trial.but(x=x).run, k), own)
    moves = moves or flows(trial, of_outputs(trial, steps), ("input",), k)
    return moves, "another" if moves else "the same", "another"


def _own_output(run: Run, k: int) -> Tensor:
    """The output of a step."""
    return run.output[k]


def _from_step(run: Run, k: int) -> Tensor:
    """What a step may change: its output, later ones, and the state."""
    return torch.cat([part.flatten() for part in (run.output[k:], *run.state)])


LONG = 40
"""Steps over which something is to be remembered: more than a window of inputs would reach back."""


@time(
    "memory",
    formula="sign(h_n) = sign(x_s), s a long time ago, x = 0 before and after",
    kind="invariant",
    needs=("load",),
    cost=20,
    source="Hochreiter and Schmidhuber 1997: long time lags; an n-gram model cannot",
    applies=deterministic & at_least(batch=1),
)
def memory(trial: Trial) -> Observation:
    """With weights made to remember, a single input still decides h_n forty steps later."""
    silence = trial.x.new_zeros(2 * LONG + 1, *trial.x.shape[1:])
    state, lengths = trial.state and trial.zero_state(), trial.lengths and (len(silence),) * trial.batch
    trained = trial.but(x=silence, state=state, lengths=lengths, parameters=bistable_parameters(trial))

    def after(value: float) -> Run:
        x = silence.clone()
        x[LONG] = value
        return trained.but(x=x).run

    apart = exact(after(1.0).h_n) - exact(after(-1.0).h_n)
    return within("h_n after x_s = 1, less h_n after x_s = -1", apart, 0.1, torch.inf, axes=Run.AXES["h_n"])
