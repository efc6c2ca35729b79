"""What must agree: with the equations, a reference, other dtypes, devices, backends, and torch's transformations."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import torch
from torch import Tensor

from rnncheck import oracle
from rnncheck.backend.switches import switched
from rnncheck.catalog.tools import cuda_graphs, gradients
from rnncheck.catalog.tools.autocast import drawn_autocast, in_its_dtype
from rnncheck.catalog.tools.conditions import deterministic, is_float32
from rnncheck.core.case import Switch
from rnncheck.core.observation import Observation, both, every
from rnncheck.core.property import Condition, Family
from rnncheck.core.subject import Layer
from rnncheck.running.backward import as_leaves, named_arguments, named_results, trained, weighted_sum
from rnncheck.running.tolerance import of_all
from rnncheck.running.trial import NotReached, Trial, seeded, subject_boundary

agree = Family("agree")
below_double = Condition("below double precision", lambda case: case.dtype != "float64")


@agree("forward", formula="f(x) = float64 truth", source="the equations of torch.nn.RNN, GRU, LSTM",
       kind="differential", needs=("load",), applies=deterministic, cost=1)  # fmt: skip
def forward(trial: Trial) -> Observation:
    """Output and final states match the equations, within rounding."""
    return both(trial.run, trial.budget.truth, trial.budget.allowed)


# dtypes, devices, backends --------------------------------------------------------------------------------------------


@agree("dtype", formula="f in float32, bfloat16, float16 = f in float64", kind="metamorphic",
       needs=("load", "float64"), source="bfloat16 kernels beside float64 ones",
       applies=deterministic & below_double)  # fmt: skip
def dtype(trial: Trial) -> Observation:
    """The same numbers in float64 give the same results, within the rounding of the case's dtype."""
    double, sides = trial.to("float64").run, (f"in {trial.case.dtype}", "in float64")
    return both(trial.run, double, trial.budget.allowed, "", sides, trial.right)


@agree("autocast", formula="f under autocast = f, rounded as autocast does",
       source="torch.autocast; pytorch/pytorch#45048", kind="differential",
       needs=("load", "autocast", "training"), applies=deterministic & is_float32, cost=6)  # fmt: skip
def autocast(trial: Trial) -> Observation:
    """Under autocast, results and the gradients of a loss on them are right within autocast's own rounding.

    Autocast casts to one of its dtypes; input that already has that dtype is tried too, and so is a call that was made before
    with other parameters: nothing of it may remain.
    """
    casting = drawn_autocast(trial)
    t, low = in_its_dtype(trial, casting), casting.fast_dtype
    rounding = oracle.rounding_for(trial.case.torch_dtype, trial.case.device, autocast=low)
    weights = trial.cotangents().map(lambda part: part.to(low).to(part.dtype))  # so that it is no rounding to cast them
    budget = oracle.budget(*t.question, rounding=rounding, seed=t.case.seed)
    slopes = oracle.gradient_budget(*t.question, of_all(t, weights), rounding=rounding, seed=t.case.seed)
    for parameters in ({name: p + 0.5 for name, p in t.parameters.items()}, t.parameters):
        t.layer.load(parameters)
        with casting:
            run = t.run_on(t.layer)
    with casting:
        cast_already = t.read(*t.call_on(t.layer, t.x.to(low))).map(Tensor.detach)
    given = (*t.leaves, t.as_returned(weights), t.x.device.type, low)
    found = t.gradients_of(t.do(backward_under_autocast, t.layer, *given, doing="running backward"))
    return (
        both(run, budget.truth, budget.allowed)
        & both(cast_already, budget.truth, budget.allowed, f"of input in {low}: ")
        & gradients.within_budget(slopes, found)
    )


def backward_under_autocast(
    layer: Layer, x: Any, hx: Any, weights: dict[str, Tensor], device: str, low: torch.dtype
) -> dict[str, Tensor | None]:
    """Return the gradients of the weighted sum of what a call under autocast returns, summed outside of it."""
    with torch.enable_grad():
        x, hx = as_leaves(x, hx)
        wanted = {**named_arguments(x, hx), **trained(layer)}
        with torch.autocast(device, low):
            results = named_results(layer(x, hx))
        loss = weighted_sum({name: part.float() for name, part in results.items()}, weights)
        return dict(zip(wanted, torch.autograd.grad(loss, list(wanted.values()), allow_unused=True), strict=True))


@agree("device", formula="f on the CPU = f on the accelerator",
       source="pytorch/pytorch#94754, #90421, #95118", cost=8, kind="metamorphic", needs=("load",),
       applies=deterministic)  # fmt: skip
def device(trial: Trial) -> Observation:
    """The CPU and the machine's accelerator agree, each within its own rounding, with TF32 off and on."""
    if not torch.accelerator.is_available():
        raise NotReached("there is no accelerator in this machine")
    found = torch.accelerator.current_accelerator()
    other = "cpu" if not trial.case.device.startswith("cpu") or found is None else found.type
    both_places = (trial, trial.to(device=other))
    tf32: tuple[tuple[Switch, ...], ...] = ((), ("tf32",))
    return every(_with(t, switches) for t in both_places for switches in tf32 if t.x.is_cuda or not switches)


def _with(trial: Trial, switches: tuple[Switch, ...]) -> Observation:
    """The trial, with these backend switches set and no others, is right within the rounding that they allow."""
    t = trial.but(switches=switches)
    with switched(switches, t.case.device):
        run = t.run_on(t.layer)
    return both(run, t.budget.truth, t.budget.allowed, f"on {t.case.device}{', TF32 on' if switches else ''}: ")


Around = Callable[[], AbstractContextManager[object]]
SURROUNDINGS: Mapping[str, Around] = {
    "inference_mode": torch.inference_mode,
    "no_grad": torch.no_grad,
    "enable_grad": torch.enable_grad,
    "oneDNN off": partial(switched, ("onednn_off",)),
}
"""What a call may be made in, in this order on one layer."""
SURROUNDINGS_ON_CUDA: Mapping[str, Around] = {
    "cuDNN off": partial(switched, ("cudnn_off",), "cuda"),
    "cuDNN deterministic": partial(switched, ("cudnn_deterministic",), "cuda"),
    "another stream": cuda_graphs.side_stream,
}
"""And on CUDA."""


@agree("no_grad", formula="f(x) with no_grad, inference_mode, oneDNN off, ... = f(x)", kind="metamorphic",
       cost=8, source="fast paths that are taken without gradients", applies=deterministic)  # fmt: skip
def no_grad(trial: Trial) -> Observation:
    """Results are the same with or without gradients, in inference mode, with oneDNN or cuDNN on or off, and on another stream."""
    layer = trial.layer  # built outside: what is created in inference mode can never have gradients

    def inside(name: str, around: Around) -> Observation:
        with seeded(trial.case.seed, trial.case.device), around():
            arguments = trial.lay_out(trial.x, trial.state)
            with subject_boundary(f"calling with {name}"):
                result = layer(*arguments)
            run = trial.read(*result).map(lambda part: part.detach().clone())
        return trial.same(run, f"{name}: ", (f"with {name}", "without"))

    also = SURROUNDINGS_ON_CUDA if trial.x.is_cuda else {}
    return every(inside(name, around) for name, around in {**SURROUNDINGS, **also}.items())


# transformations ------------------------------------------------------------------------------------------------------
