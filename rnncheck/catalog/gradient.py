"""What must hold of gradients: right, whatever the loss looks at, whatever requires them, however often asked for."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from rnncheck.catalog.tools.conditions import at_least, deterministic, one_direction, padded
from rnncheck.catalog.tools.follow_ups import drawn_end, one_after_the_other, steps_inside
from rnncheck.catalog.tools.gradients import (
    agree,
    differentiable_run,
    gradients_through,
    only,
    states_in,
    within_budget,
)  # fmt: skip
from rnncheck.catalog.tools.informative_data import enlivened, has_effect, in_many_digits, lively
from rnncheck.core.observation import Observation, equal, every, identical
from rnncheck.core.property import Condition, Family
from rnncheck.core.run import Run
from rnncheck.core.subject import Layer, NotClaimed
from rnncheck.running.backward import as_leaves, named_arguments, named_results, trained, weighted_sum
from rnncheck.running.trial import Trial, subject_boundary

gradient = Family("gradient")
TRAINING = ("training",)
LOUD = 1024.0
"""The gradient of an output that gradient.reach starts from: what is left of it after ten steps is not 0."""
few_steps = Condition("at most 10 steps", lambda case: case.time <= 10)
far_reaching = Condition("not float16, whose numbers end at 65504", lambda case: case.dtype != "float16")


@gradient("reference", formula="d loss / d (x, hx, W) = float64 truth", source="wvabrinskas/Neuron#181",
          kind="differential", needs=("load", "training"), applies=deterministic, cost=2)  # fmt: skip
def reference(trial: Trial) -> Observation:
    """The gradients of input, initial state and every parameter match the equations, in train and eval mode."""
    return within_budget(trial.gradient_budget(), trial.gradients(trial.cotangents()))


# against differences --------------------------------------------------------------------------------------------------


# whatever the loss looks at, whatever requires gradients --------------------------------------------------------------


@gradient("every_output", formula="loss over any of y, h_n, c_n",
          source="pytorch/pytorch#96416, chainer/chainer#8037", kind="derivative", needs=TRAINING,
          applies=deterministic, cost=12)  # fmt: skip
def every_output(trial: Trial) -> Observation:
    """A loss may use any of output, h_n and c_n and ignore the others."""
    names = [name for name, part in trial.run.parts() if name == "output" or len(part)]
    names = names if trial.config.named is None else _flowing(trial, names)
    pairs = list(combinations(names, 2))
    weights = trial.cotangents()

    def using(chosen: tuple[str, ...]) -> Observation:
        found, others = trial.gradients(weights, names=chosen), trial.gradients(only(weights, chosen))
        return agree(trial, found, others, why=f"loss of {' and '.join(chosen)} only: ")

    drawn = [pairs[trial.draw("pair of results", 0, len(pairs) - 1)]] if pairs else []
    return every(using(chosen) for chosen in {*combinations(names, 1), *drawn})


def _flowing(trial: Trial, names: list[str]) -> list[str]:
    """The output, and the states through which anything flows; a count of steps has no gradient, and differences say so.

    A forecast of the first step alone is a constant, where no state is given.
    """
    x, state = trial.x.clone().requires_grad_(), trial.map_state(lambda part: part.clone().requires_grad_())
    with torch.enable_grad():
        found = named_results(trial.call_on(trial.layer, x, state))
    constant = trial.time == 1 and trial.state is None
    return [name for name in names if (name == "output" and not constant) or found[name].requires_grad]


@gradient("one_result", formula="d <y, w> / d (x, hx, W) = float64 truth, so for h_n, c_n",
          source="chainer/chainer#8037", kind="differential", needs=("load", "training"), applies=deterministic,
          cost=3)  # fmt: skip
def one_result(trial: Trial) -> Observation:
    """The gradients of a loss of output, h_n or c_n alone match the equations."""
    names = [name for name, _ in trial.run.parts()]
    chosen = names[trial.draw("the result that the loss uses", 0, len(names) - 1)]
    weights = only(trial.cotangents(), (chosen,))
    return within_budget(trial.gradient_budget(weights), trial.gradients(weights), f"loss of {chosen} alone: ")


@gradient("loss_scale", formula="d (k loss) = k d loss, k = 2^40 and 2^-40", source="torch.amp.GradScaler", kind="derivative",
          needs=TRAINING, applies=deterministic & far_reaching, cost=8)  # fmt: skip
def loss_scale(trial: Trial) -> Observation:
    """Gradients scale with the loss: large ones are not cut off and small ones are not lost."""
    t = lively(trial)
    weights = t.cotangents()
    plain = t.gradients(weights)

    def of_loss_times(k: float) -> Observation:
        large = weights.map(lambda part: k * part)
        scaled = t.gradients(large)
        found = {name: None if g is None else g / k for name, g in scaled.items()}
        seen = agree(t, found, plain, why=f"loss times {k:.3g}, divided by it: ")
        finite = all(g is None or bool(g.isfinite().all()) for g in scaled.values())
        if seen.holds or k < 1 or not finite or t.subject.offers("load"):
            return seen
        more = agree(t, scaled, {name: None if g is None else k * g for name, g in plain.items()}, large)
        return more if more.holds else seen  # rounding may grow faster than the loss does

    return every(map(of_loss_times, (2.0**40, 2.0**-40)))


@gradient("any_requires_grad", formula="requires_grad of any subset: the others' .grad is None",
          kind="derivative", cost=30, source="frozen layers, fixed inputs", needs=TRAINING,
          applies=deterministic)  # fmt: skip
def any_requires_grad(trial: Trial) -> Observation:
    """Any of input, states and parameters may require gradients: these get the right ones, and all others stay None."""
    weights, expected = trial.cotangents(), trial.gradients(trial.cotangents())
    given = {name for name in expected if name in ("input", "h_0", "c_0")}
    parameters = [name for name in expected if name not in given and has_effect(trial, name)]
    alone = parameters[trial.draw("the one that is not frozen", 0, len(parameters) - 1) :][:1] if parameters else []
    one_kind = [{name} for name in expected if name in given] + [set(alone), set(parameters)]
    all_but = [set(expected) - {"input"}, given, set(expected)]

    def only_for(wanted: set[str]) -> Observation:
        found, others = _accumulated(trial, weights, wanted)
        asked = {name: found[name] for name in sorted(wanted)}
        told = f"only {', '.join(sorted(wanted))} requires gradients: " if len(wanted) < 4 else ""
        return agree(trial, asked, expected, why=told) & equal(f"{told}others with a gradient", others, [])

    return every(only_for(wanted) for wanted in one_kind + all_but if wanted)


def _accumulated(trial: Trial, weights: Run, wanted: set[str] | None = None, calls: int = 1, backwards: int = 1
                 ) -> tuple[dict[str, Tensor | None], list[str]]:  # fmt: skip
    """Return .grad of a new layer and its input after these calls, and the names of others that have one."""
    given = (trial.as_returned(weights), None if wanted is None else sorted(wanted), calls, backwards)
    seen = trial.do(accumulated, trial.build(), *trial.leaves, *given, doing="running backward")
    return trial.gradients_of(seen["gradients"]), seen["others"]


def accumulated(
    layer: Layer, x: Any, hx: Any, weights: dict[str, Tensor], wanted: list[str] | None, calls: int, backwards: int
) -> dict[str, Any]:
    """Return what .grad holds after this number of calls and of backward passes each, where these alone require gradients."""
    with torch.enable_grad():
        x, hx = as_leaves(x, hx)
        leaves = {**named_arguments(x, hx), **trained(layer)}
        for name, leaf in leaves.items():
            leaf.requires_grad_(wanted is None or name in wanted)
        for _ in range(calls):
            loss = weighted_sum(named_results(layer(x, hx)), weights)
            for left in reversed(range(backwards if loss.requires_grad else 0)):
                loss.backward(retain_graph=left > 0)
    others = [name for name, leaf in leaves.items() if wanted is not None and name not in wanted and leaf.grad is not None]
    return {"gradients": {name: leaf.grad for name, leaf in leaves.items()}, "others": others}


@gradient("accumulates", formula="backward(); backward()  =>  .grad = 2 d loss",
          source="pytorch/pytorch#777", kind="derivative", needs=TRAINING, applies=deterministic, cost=8)  # fmt: skip
def accumulates(trial: Trial) -> Observation:
    """The gradients of two backward passes, through one graph or through two calls, add up."""
    half = trial.cotangents().map(lambda weight: weight / 2)
    whole = half.map(lambda weight: weight * 2)
    expected = trial.gradients(whole)
    retained, _ = _accumulated(trial, half, backwards=2)
    called, _ = _accumulated(trial, half, calls=2)
    return agree(trial, retained, expected, why="one graph: ") & agree(trial, called, expected, why="two calls: ")


# along time, in both modes --------------------------------------------------------------------------------------------


@gradient("split", formula="d f(x) = d (f(x[:k]) ++ f(x[k:], state))", kind="derivative", needs=(*TRAINING, "state"),
          cost=4, source="truncated backpropagation; FluxML/Flux.jl#2185",
          applies=deterministic & one_direction & padded & at_least(time=2))  # fmt: skip
def split(trial: Trial) -> Observation:
    """Gradients flow through a carried state just as through the steps of one call."""
    if trial.subject.nature.get("looks_back"):
        raise NotClaimed("its output looks back over its call, beyond what the state carries")
    k, weights = drawn_end(trial, "split"), trial.cotangents()

    def in_two(leaves: Mapping[str, Tensor]) -> Run:
        early, late = trial.but(x=trial.x[:k]), trial.but(x=trial.x[k:], state=trial.given_state)
        first = early.read(*early.call_on(trial.layer, leaves["input"][:k], states_in(leaves)))
        second = late.read(*late.call_on(trial.layer, leaves["input"][k:], first.state))
        return one_after_the_other(first, second)

    return agree(trial, gradients_through(trial, trial.layer, in_two, weights), trial.gradients(weights), why=f"split at {k}: ")


@gradient("eval_is_train", formula="d f_eval = d f_train, dropout 0", source="pytorch/pytorch#5878",
          kind="derivative", needs=TRAINING, applies=deterministic, cost=5)  # fmt: skip
def eval_is_train(trial: Trial) -> Observation:
    """Without dropout, eval() and train() give the same gradients."""
    if trial.config.dropout and not trial.parameters:
        return Observation()  # a layer whose parameters cannot be set may draw others where it has no dropout
    weights, other = trial.cotangents(), trial.but(training=not trial.case.training, dropout=0.0)
    return agree(trial, other.gradients(weights), trial.gradients(weights))


@gradient("reach", formula="d y_t / d x_s != 0  <=>  y_t may see x_s",
          source="Karpathy 2019, A recipe for training neural networks", kind="derivative",
          needs=("load", "training"), applies=deterministic & few_steps, cost=10)  # fmt: skip
def reach(trial: Trial) -> Observation:
    """An output has a nonzero gradient for exactly the inputs it may see: forward s <= t, reverse s >= t, its own sequence."""
    t = in_many_digits(enlivened(trial, trial.time, trial.batch, trial.lengths or ()))
    x = t.x.clone().requires_grad_()
    output = differentiable_run(t, t.layer, x, t.state).output
    halves = output.chunk(t.config.directions, dim=-1)

    def seen(y: Tensor) -> Tensor:
        with subject_boundary("running backward"):
            (g,) = torch.autograd.grad(y, x, torch.full_like(y, LOUD), retain_graph=True, allow_unused=True)
        return torch.zeros_like(x).any(-1) if g is None else (g != 0).any(-1)

    actual = torch.stack([torch.stack([seen(half[time]) for time in range(t.time)]) for half in halves])
    return identical("d y_t / d x_s is not 0", actual, within_sight(t), ("direction", "t", "s", "batch"))


def within_sight(trial: Trial) -> Tensor:
    """bool (directions, t, s, batch): above the first layer of a bidirectional net an output sees all of its row."""
    steps = torch.arange(trial.time, device=trial.x.device)
    before = (steps[:, None] >= steps).unsqueeze(-1)
    everything = trial.config.bidirectional and trial.config.num_layers > 1
    directions = torch.stack([before, before.transpose(0, 1)][: trial.config.directions])
    inside = steps_inside(trial)
    return (directions | everything) & inside[:, None] & inside
