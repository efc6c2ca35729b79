"""What must hold of derivatives beside finite differences: the first, the second, those in forward mode."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.utils.parametrizations import _WeightNorm
from torch.nn.utils.weight_norm import WeightNorm

from rnncheck.backend.wrong_tangents import with_wrong_tangents
from rnncheck.catalog.gradient import TRAINING, gradient
from rnncheck.catalog.tools.conditions import at_least, deterministic, padded
from rnncheck.catalog.tools.finite_differences import as_differences, directions_of, in_double, loss, slope_of_loss, steepness
from rnncheck.catalog.tools.gate_measurement import roundoff
from rnncheck.catalog.tools.gradients import (
    leaves_of,
)  # fmt: skip
from rnncheck.catalog.tools.informative_data import in_many_digits, small_and_lively
from rnncheck.core.observation import Observation, every, fact, near
from rnncheck.core.property import Condition
from rnncheck.core.subject import Layer, NotClaimed
from rnncheck.running.backward import as_leaves, named_arguments, named_results, trained
from rnncheck.running.trial import SubjectError, Trial, Unimplemented

wide = Condition("float32 or float64", lambda case: case.dtype in ("float32", "float64"))


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
    if not trial.subject.offers("load") and holds_a_weight_norm(trial.layer.module):
        raise NotClaimed("second derivatives: those of torch's weight_norm are wrong, whatever it norms")
    double = in_double(trial)
    return as_differences(double, slope_of_loss, "gradient", more=directions_of(double, "along"))


def holds_a_weight_norm(module: Any) -> bool:
    """Return whether torch's weight_norm computes a weight of the module: torch.autograd.gradgradcheck fails for it, too."""
    parts = [*module.modules()] if isinstance(module, nn.Module) else []
    hooks = [hook for part in parts for hook in part._forward_pre_hooks.values()]
    return any(isinstance(one, WeightNorm | _WeightNorm) for one in (*parts, *hooks))


@gradient("second_refused", formula="d d f: raises", source="pytorch/pytorch#20449", kind="derivative",
          needs=TRAINING, applies=deterministic & at_least(batch=1), cost=4)  # fmt: skip
def second_refused(trial: Trial) -> Observation:
    """Where second derivatives are not supported, asking for them raises an error instead of making up numbers."""
    if trial.subject.offers("second"):
        return Observation()
    t = small_and_lively(trial)
    try:
        t.do(trained_with_penalty, t.layer, *t.leaves, t.as_returned(t.cotangents()), doing="running backward twice")
    except Unimplemented:
        raise
    except SubjectError as refusal:
        return fact("second derivatives", bool(str(refusal.cause)), f"refused: {refusal}", "refused with an error that says why")
    return fact("second derivatives", False, "numbers, though they are not offered", "refused with an error that says why")


def trained_with_penalty(layer: Layer, x: Any, hx: Any, weights: dict[str, Tensor]) -> None:
    """Run backward() of a penalty on the input's gradient of a squared loss, as training does."""
    with torch.enable_grad():
        x, hx = as_leaves(x, hx)
        squared = loss(layer, x, hx, weights, None).square()
        (found,) = torch.autograd.grad(squared, named_arguments(x, hx)["input"], create_graph=True)
        found.square().sum().backward()


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

    Where the truth is unknown, half the digits must agree, of float64 in place of half precision, where what lies in between
    may overflow: backward's measured rounding says little about another algorithm's, and is asked for where more is needed.
    """
    if not trial.subject.offers("load") and trial.case.dtype in ("bfloat16", "float16"):
        trial = in_many_digits(trial)
    weights, t = trial.cotangents(), trial.but(layout="contiguous")  # a tangent does not go through expanded memory
    directions = {name: trial.like(leaf, f"direction of {name}") for name, leaf in leaves_of(trial).items()}
    found, own = trial.gradients(weights), tuple(directions.values())
    along = named_arguments(*t.lay_out(own[0], own[1:] or None))
    seen = t.do(forward_slope, t.layer, *t.arguments, along, t.as_returned(weights))
    if not seen["tangents"] and trial.subject.claims["jvp"].how == "probed":  # TorchScript drops them after some calls
        raise NotClaimed("forward-mode derivatives: no result has a tangent, though the input has one")
    backward = torch.as_tensor(sum(_dot(found[name], v) for name, v in directions.items()))
    known = trial.subject.offers("load")
    least = 4 * seen["size"] * (roundoff(trial) if known else roundoff(trial) ** 0.5)
    agrees = near("<jvp(v), w>", seen["slope"], backward, least)
    if agrees.holds and not known:
        return agrees
    allowed = trial.gradient_budget().allowed
    more = 4 * sum(_dot(allowed[name], v.abs()) for name, v in directions.items())
    agrees = near("<jvp(v), w>", seen["slope"], backward, least + more)
    wrong = [] if agrees.holds else with_wrong_tangents(lambda: t.run_on(t.layer))
    if wrong:
        raise NotClaimed(f"torch's own forward-mode derivative of {wrong[0]} is wrong")
    return agrees


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
