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
from rnncheck.catalog.tools.conditions import at_least, batched, deterministic, is_float32, on_cuda, padded
from rnncheck.catalog.tools.follow_ups import rows
from rnncheck.catalog.tools.torch_transforms import Through, as_onnx, called_functionally, compiled_calls, exported, scripted
from rnncheck.core.case import Switch
from rnncheck.core.observation import Observation, both, every, fact
from rnncheck.core.property import Condition, Family
from rnncheck.core.run import Run
from rnncheck.core.subject import Layer
from rnncheck.running.backward import as_leaves, named_arguments, named_results, trained, weighted_sum
from rnncheck.running.tolerance import of_all
from rnncheck.running.trial import NotReached, SubjectError, Trial, seeded, subject_boundary

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
    double, sides = _in(torch.float64, trial).run, (f"in {trial.case.dtype}", "in float64")
    return both(trial.run, double, trial.budget.allowed, "", sides, trial.right)


def _in(dtype: torch.dtype, trial: Trial) -> Trial:
    """The same numbers in another dtype."""
    parameters = {name: p.to(dtype) for name, p in trial.parameters.items()}
    state = trial.state and tuple(part.to(dtype) for part in trial.state)
    name = str(dtype).removeprefix("torch.")
    return trial.but(dtype=name, x=trial.x.to(dtype), state=state, parameters=parameters)


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
    both_places = (trial, _moved(trial, other))
    tf32: tuple[tuple[Switch, ...], ...] = ((), ("tf32",))
    return every(_with(t, switches) for t in both_places for switches in tf32 if t.x.is_cuda or not switches)


def _moved(trial: Trial, device: str) -> Trial:
    parameters = {name: p.to(device) for name, p in trial.parameters.items()}
    state = trial.state and tuple(part.to(device) for part in trial.state)
    return trial.but(device=device, x=trial.x.to(device), state=state, parameters=parameters)


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


def _same_calls(layer: Through, calls: Mapping[str, Trial]) -> Observation:
    """The transformed layer gives for each of these trials, in this order, what the layer itself gives."""
    return every(trial.same(trial.run_on(layer), f"{what}: ", layer.sides) for what, trial in calls.items())


def _briefly(trial: Trial, steps: int = 2) -> Trial:
    """At most two steps: enough for a recurrence, and quickly traced."""
    lengths = trial.lengths and tuple(min(length, steps) for length in trial.lengths)
    return trial.but(x=trial.x[:steps], lengths=lengths, layout="contiguous")


def _other_input(trial: Trial) -> dict[str, Trial]:
    return {"another input": trial.but(x=trial.like(trial.x, "another input"))}


def _other_batch(trial: Trial) -> dict[str, Trial]:
    """One sequence more, the first one again; nothing where there is no batch axis."""
    return {} if trial.case.batch is None else {"another batch": rows(trial, [*range(trial.batch), 0])}


@agree("compiled", formula="compile(f)(x) = f(x), d compile(f) = d f", source="pytorch/pytorch#185163",
       kind="differential", needs=("compile", "training"), applies=deterministic & at_least(batch=1),
       cost=3000, stratum="compiled")  # fmt: skip
def compiled_layer(trial: Trial) -> Observation:
    """torch.compile changes neither results nor gradients, nor the results of another batch size."""
    t = _briefly(trial, steps=3)
    others = _other_batch(t)
    given = (*t.leaves, t.as_returned(weights := t.cotangents()), tuple(other.arguments for other in others.values()))
    seen = t.do(compiled_calls, t.build(), *given, doing="calling the compiled layer")
    sides = ("from the compiled layer", "from the layer itself")
    slopes = gradients.agree(t, t.gradients_of(seen["gradients"]), t.gradients(weights), weights, sides=sides)
    same = [
        other.same(other.read_results(results), f"{what}: ", sides)
        for (what, other), results in zip(others.items(), seen["others"], strict=True)
    ]
    return t.same(t.read_results(seen["results"]), sides=sides) & slopes & every(same)


@agree("exported", formula="export(f)(x) = f(x)", source="pytorch/pytorch#15319, #184961",
       kind="differential", cost=1000, needs=("export",),
       applies=deterministic & padded & at_least(batch=1), stratum="compiled")  # fmt: skip
def exported_layer(trial: Trial) -> Observation:
    """torch.export's program gives the layer's results, for other numbers too; another batch size is right or refused."""
    t = _briefly(trial)
    layer = exported(t, t.build())
    same = _same_calls(layer, {"the case": t, **_other_input(t)})
    return same & every(_right_or_refused(other, layer) for other in _other_batch(t).values())


def _right_or_refused(trial: Trial, layer: Through) -> Observation:
    try:
        return trial.same(trial.run_on(layer), "another batch: ", layer.sides)
    except SubjectError as refusal:
        return fact("another batch", bool(str(refusal.cause)), refusal, "right, or refused with a reason")


@agree("scripted", formula="script(f)(x) = f(x)", source="torch.jit.script; pytorch/pytorch#16663",
       kind="differential", needs=("script",), applies=deterministic & padded & at_least(batch=1),
       cost=500, stratum="compiled")  # fmt: skip
def scripted_layer(trial: Trial) -> Observation:
    """torch.jit.script's module gives the layer's results, called several times and also for another batch size."""
    calls = {"the case": trial, "again": trial, "a third time": trial, **_other_batch(trial)}
    return _same_calls(scripted(trial, trial.build()), calls)


@agree("onnx", formula="onnx(f)(x) = f(x)",
       source="pytorch/pytorch#11368, #34800, microsoft/onnxscript#2852", cost=3000, kind="differential",
       needs=("onnx", "float32"), applies=deterministic & padded & at_least(batch=1), stratum="compiled")  # fmt: skip
def onnx(trial: Trial) -> Observation:
    """Exported to ONNX and run by ONNX Runtime, the layer gives the same results, for other numbers too."""
    t = _in(torch.float32, _briefly(trial))
    return _same_calls(as_onnx(t, t.build()), {"the case": t, **_other_input(t)})


@agree("functional", formula="functional_call(f, W')(x) = f(x; W'), then f(x; W) ≡ before",
       source="torch.func.functional_call", kind="metamorphic",
       needs=("load", "functional", "module", "training"), applies=deterministic, cost=30)  # fmt: skip
def functional_layer(trial: Trial) -> Observation:
    """functional_call with other parameters matches a layer that owns them, gradients too, and leaves the layer's own unchanged."""
    layer, names = trial.layer, _own_names(trial.layer)
    before = trial.run_on(layer)
    new = {name: trial.like(p, f"another {name}", 0.5) for name, p in trial.parameters.items()}
    if set(names) != set(new):  # a parametrized weight has another name, and is not given by its own
        return Observation()
    other, weights = trial.but(parameters=new), trial.cotangents()
    given = (*trial.leaves, trial.as_returned(weights), new, names)
    seen = trial.do(called_functionally, layer, *given, doing="calling functional_call")
    sides = ("from functional_call", "from the layer itself")
    slopes = gradients.agree(other, trial.gradients_of(seen["gradients"]), other.gradients(weights), weights, sides=sides)
    same = other.same(trial.read_results(seen["results"]), sides=sides)
    return same & slopes & trial.identical(trial.run_on(layer), before, "afterwards: ", ("now", "before"))


def _own_names(layer: Layer) -> dict[str, str]:
    """torch's parameter names -> the module's own."""
    own = {id(parameter): name for name, parameter in layer.module.named_parameters()}
    return {name: own[id(parameter)] for name, parameter in layer.parameters().items()}


@agree("vmap", formula="vmap(f)(x) = f(x_1), f(x_2), ...",
       source="torch.func.vmap; pytorch/pytorch#134606", kind="metamorphic", needs=("vmap",),
       applies=deterministic & batched & padded & at_least(batch=1), cost=6)  # fmt: skip
def vmapped(trial: Trial) -> Observation:
    """Mapped over sequences with torch.vmap, the layer gives each sequence the same result as in the batch."""
    one = rows(trial, [0]).but(layout="contiguous")
    layer = one.layer  # built outside: vmap has no random numbers

    def alone(x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        run = one.read(*one.call_on(layer, x.unsqueeze(1), tuple(part.unsqueeze(1) for part in state) or None))
        return tuple(part.squeeze(1) for _, part in run.parts())

    mapped = torch.vmap(alone, in_dims=1, out_dims=1)
    with subject_boundary("calling under vmap"), torch.no_grad():
        parts = mapped(trial.x, *(trial.state or ()))
    return trial.same(Run(*parts), sides=("under vmap", "in the batch"))


@agree("captured", formula="replay(capture(f))(x) = f(x), f(x'), f(x)", kind="differential", cost=100,
       source="torch.cuda.graph: what Python did while it was captured stays as it was", needs=("export",),
       applies=deterministic & padded & at_least(batch=1) & on_cuda)  # fmt: skip
def captured_layer(trial: Trial) -> Observation:
    """A call captured as a CUDA graph and replayed gives the layer's results: on the same numbers, on others, and again."""
    t = trial.but(layout="contiguous", training=False)
    other = t.but(x=t.like(t.x, "another input"), state=t.state and tuple(t.like(h, f"another {i}") for i, h in enumerate(t.state)))
    layer, arguments = t.layer, [_flat(*one.lay_out(one.x, one.state)) for one in (t, other)]

    def call(x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        return _flat(*layer(x, state or None))

    with subject_boundary("capturing a call"), torch.no_grad():
        replay = cuda_graphs.CAPTURES[t.x.device.type](call, arguments[0])
        first, another, again = (replay(*given) for given in (*arguments, arguments[0]))
    sides = ("replayed", "from the layer itself")
    seen = t.same(t.read(first[0], first[1:]), "the same numbers: ", sides)
    seen &= t.same(t.read(again[0], again[1:]), "the same numbers again: ", sides)
    return seen & other.same(other.read(another[0], another[1:]), "other numbers: ", sides)


def _flat(x: Tensor, state: tuple[Tensor, ...] | None) -> tuple[Tensor, ...]:
    return x, *(state or ())
