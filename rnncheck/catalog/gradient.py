"""What must hold of gradients: right, whatever the loss looks at, whatever requires them, however often asked for."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from rnncheck.catalog.tools.conditions import at_least, deterministic, one_direction, padded
from rnncheck.catalog.tools.finite_differences import as_differences, directions_of, in_double, loss, slope_of_loss, steepness
from rnncheck.catalog.tools.follow_ups import one_after_the_other, steps_inside
from rnncheck.catalog.tools.gate_measurement import roundoff
from rnncheck.catalog.tools.gradients import (
    agree,
    differentiable_run,
    gradients_through,
    leaves_of,
    only,
    states_in,
    within_budget,
)  # fmt: skip
from rnncheck.catalog.tools.informative_data import enlivened, has_effect, in_many_digits, lively, small_and_lively
from rnncheck.core.observation import Observation, equal, every, fact, identical, near
from rnncheck.core.property import Condition, Family
from rnncheck.core.run import Run
from rnncheck.core.subject import Layer, NotClaimed
from rnncheck.running.backward import as_leaves, named_arguments, named_results, trained, weighted_sum
from rnncheck.running.trial import SubjectError, Trial, Unimplemented, subject_boundary

gradient = Family("gradient")
TRAINING = ("training",)
LOUD = 1024.0
"""The gradient of an output that gradient.reach starts from: what is left of it after ten steps is not 0."""
few_steps = Condition("at most 10 steps", lambda case: case.time <= 10)
wide = Condition("float32 or float64", lambda case: case.dtype in ("float32", "float64"))
far_reaching = Condition("not float16, whose numbers end at 65504", lambda case: case.dtype != "float16")


@gradient("reference", formula="d loss / d (x, hx, W) = float64 truth", source="wvabrinskas/Neuron#181",
          kind="differential", needs=("load", "training"), applies=deterministic, cost=2)  # fmt: skip
def reference(trial: Trial) -> Observation:
    """The gradients of input, initial state and every parameter match the equations, in train and eval mode."""
    return within_budget(trial.gradient_budget(), trial.gradients(trial.cotangents()))


# against differences --------------------------------------------------------------------------------------------------


@gradient("numerical", formula="<d f, v> = (f(x + e v) - f(x - e v)) / 2e",
          source="torch.autograd.gradcheck, fast mode", kind="derivative", needs=("training", "float64"),
          applies=deterministic & at_least(batch=1), cost=20)  # fmt: skip
def numerical(trial: Trial) -> Observation:
    """The gradients of all results with respect to input, states and parameters match finite differences in float64."""
    return as_differences(in_double(trial), loss, "loss")


@gradient("second", formula="<d d f, v> = (d f(x + e v) - d f(x - e v)) / 2e",
          source="torch.autograd.gradgradcheck, fast mode", kind="derivative",
          needs=("training", "float64", "second"), applies=deterministic & at_least(batch=1), cost=60)  # fmt: skip
def second(trial: Trial) -> Observation:
    """Second derivatives with respect to input, states and parameters match finite differences of the first."""
    double = in_double(trial)
    return as_differences(double, slope_of_loss, "gradient", more=directions_of(double, "along"))


@gradient("second_refused", formula="d d f: raises", source="pytorch/pytorch#20449", kind="derivative",
          needs=TRAINING, applies=deterministic & at_least(batch=1), cost=4)  # fmt: skip
def second_refused(trial: Trial) -> Observation:
    """Where second derivatives are not supported, asking for them raises an error instead of making up numbers."""
    if trial.subject.offers("second"):
        return Observation()
    try:
        _penalty(small_and_lively(trial))
    except Unimplemented:
        raise
    except SubjectError as refusal:
        return fact("second derivatives", bool(str(refusal.cause)), f"refused: {refusal}", "refused with an error that says why")
    why = "refused with an error that says why (once_differentiable raises only where the gradient that comes in requires one)"
    return fact("second derivatives", False, "numbers, though they are not offered", why)


@gradient("penalty", formula="d |d f / d x|^2 / d W in float32 = in float64 = differences",
          source="Gulrajani et al. 2017, WGAN-GP", kind="derivative",
          needs=("training", "float64", "second", "load"),
          applies=deterministic & at_least(batch=1) & wide, cost=30)  # fmt: skip
def penalty(trial: Trial) -> Observation:
    """A penalty on the input's gradient can be trained with: it is right in float64 and agrees in the case's dtype."""
    double = in_double(trial)
    own, exact = _penalty(small_and_lively(trial)), _penalty(double)
    half_the_digits = torch.finfo(trial.case.torch_dtype).eps ** 0.5  # lively data loses a few roundoffs
    same = every(near(f"penalty's gradient of {n}", own[n], g, half_the_digits * g.abs().max()) for n, g in exact.items())
    return same & as_differences(double, steepness, "penalty")


def _penalty(trial: Trial) -> dict[str, Tensor]:
    """The parameters' gradients of a penalty on the input's gradient."""
    given = (trial.layer, *trial.leaves, trial.as_returned(trial.cotangents()))
    found: dict[str, Tensor] = trial.do(penalty_gradients, *given, doing="running backward twice")
    return found


def penalty_gradients(layer: Layer, x: Any, hx: Any, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the parameters' gradients of the sum of squares of the input's gradient."""
    with torch.enable_grad():
        x, hx = as_leaves(x, hx)
        parameters = trained(layer)
        found = torch.autograd.grad(steepness(layer, x, hx, weights, None), list(parameters.values()), allow_unused=True)
    pairs = zip(parameters.items(), found, strict=True)
    return {name: torch.zeros_like(p) if g is None else g.detach() for (name, p), g in pairs}


@gradient("forward_mode", formula="<jvp(v), w> = <v, vjp(w)>", source="torch.autograd.forward_ad",
          kind="derivative", needs=("training", "jvp"), applies=deterministic & padded, cost=4)  # fmt: skip
def forward_mode(trial: Trial) -> Observation:
    """Forward-mode derivatives agree with backward: one is the transpose of the other.

    Where the truth is unknown, half the digits must agree: backward's measured rounding says little about another algorithm's.
    """
    weights, t = trial.cotangents(), trial.but(layout="contiguous")  # a tangent does not go through expanded memory
    directions = {name: trial.like(leaf, f"direction of {name}") for name, leaf in leaves_of(trial).items()}
    found, budget, own = trial.gradients(weights), trial.gradient_budget(), tuple(directions.values())
    along = named_arguments(*t.lay_out(own[0], own[1:] or None))
    seen = t.do(forward_slope, t.layer, *t.arguments, along, t.as_returned(weights))
    if not seen["tangents"] and trial.subject.claims["jvp"].how == "probed":  # TorchScript drops them after some calls
        raise NotClaimed("forward-mode derivatives: no result has a tangent, though the input has one")
    backward = sum(_dot(found[name], v) for name, v in directions.items())
    unit = roundoff(trial) if trial.subject.offers("load") else roundoff(trial) ** 0.5
    allowed = 4 * (unit * seen["size"] + sum(_dot(budget.allowed[name], v.abs()) for name, v in directions.items()))
    return near("<jvp(v), w>", seen["slope"], torch.as_tensor(backward), allowed)


def forward_slope(layer: Layer, x: Any, hx: Any, along: dict[str, Tensor], weights: dict[str, Tensor]) -> dict[str, Any]:
    """Return the forward-mode slope of the weighted sum along these directions, its size, and how many results have a tangent."""
    with torch.enable_grad(), forward_ad.dual_level():
        dual = [forward_ad.make_dual(part, along[name]) for name, part in named_arguments(x, hx).items()]
        results = named_results(layer(dual[0], tuple(dual[1:]) or None))
        tangents = {name: forward_ad.unpack_dual(part).tangent for name, part in results.items()}
    present = {name: part for name, part in tangents.items() if part is not None}
    products = [(part.detach().double() * weights[name].double()).flatten() for name, part in present.items()]
    terms = torch.cat([torch.zeros(1, dtype=torch.float64, device=x.device), *products])
    return {"slope": terms.sum(), "size": terms.abs().sum(), "tangents": len(present)}


def _dot(a: Tensor | None, b: Tensor) -> Tensor:
    return (a.double() * b.double()).sum() if a is not None else torch.zeros((), dtype=torch.float64, device=b.device)


# whatever the loss looks at, whatever requires gradients --------------------------------------------------------------


@gradient("every_output", formula="loss over any of y, h_n, c_n",
          source="pytorch/pytorch#96416, chainer/chainer#8037", kind="derivative", needs=TRAINING,
          applies=deterministic, cost=12)  # fmt: skip
def every_output(trial: Trial) -> Observation:
    """A loss may use any of output, h_n and c_n and ignore the others."""
    names = [name for name, part in trial.run.parts() if name == "output" or len(part)]
    pairs = list(combinations(names, 2))
    weights = trial.cotangents()

    def using(chosen: tuple[str, ...]) -> Observation:
        found, others = trial.gradients(weights, names=chosen), trial.gradients(only(weights, chosen))
        return agree(trial, found, others, why=f"loss of {' and '.join(chosen)} only: ")

    drawn = [pairs[trial.draw("pair of results", 0, len(pairs) - 1)]] if pairs else []
    return every(using(chosen) for chosen in {*combinations(names, 1), *drawn})


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
        scaled = t.gradients(weights.map(lambda part: k * part))
        found = {name: None if g is None else g / k for name, g in scaled.items()}
        return agree(t, found, plain, why=f"loss times {k:.3g}, divided by it: ")

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
            for left in reversed(range(backwards)):
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
          cost=6, source="truncated backpropagation; FluxML/Flux.jl#2185",
          applies=deterministic & one_direction & padded & at_least(time=2))  # fmt: skip
def split(trial: Trial) -> Observation:
    """Gradients flow through a carried state just as through the steps of one call."""
    if trial.subject.nature.get("looks_back"):
        raise NotClaimed("its output looks back over its call, beyond what the state carries")
    k, weights = trial.draw("split", 1, trial.time - 1), trial.cotangents()

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
