"""What must agree with a layer behind torch's transformations: compiled, exported, scripted, mapped, captured."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from rnncheck.catalog.agree import agree
from rnncheck.catalog.tools import cuda_graphs, gradients
from rnncheck.catalog.tools.conditions import at_least, batched, deterministic, on_cuda, padded
from rnncheck.catalog.tools.follow_ups import rows
from rnncheck.catalog.tools.torch_transforms import (
    Through,
    as_onnx,
    called_functionally,
    compiled_calls,
    exported_calls,
    scripted_calls,
)
from rnncheck.core.observation import Observation, every, fact
from rnncheck.core.subject import Layer
from rnncheck.running.backward import named_results
from rnncheck.running.trial import Trial, subject_boundary


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
    calls, more = {"the case": t, **_other_input(t)}, _other_batch(t)
    given = (tuple(one.arguments for one in calls.values()), tuple(one.arguments for one in more.values()))
    seen = t.do(exported_calls, t.build(), *given, doing="calling the exported program")
    sides = ("from the exported program", "from the layer itself")
    same = [t.same(t.read_results(one), f"{what}: ", sides) for (what, t), one in zip(calls.items(), seen["results"], strict=True)]
    return every(same) & every(_right_or_refused(other, seen, sides) for other in more.values())


def _right_or_refused(trial: Trial, seen: Mapping[str, Any], sides: tuple[str, str]) -> Observation:
    if seen["refused"] is None:
        return trial.same(trial.read_results(seen["others"][0]), "another batch: ", sides)
    return fact("another batch", bool(seen["refused"]), "refused", "right, or refused with a reason")


@agree("scripted", formula="script(f)(x) = f(x)", source="torch.jit.script; pytorch/pytorch#16663",
       kind="differential", needs=("script",), applies=deterministic & padded & at_least(batch=1),
       cost=500, stratum="compiled")  # fmt: skip
def scripted_layer(trial: Trial) -> Observation:
    """torch.jit.script's module gives the layer's results, called several times and also for another batch size."""
    calls = {"the case": trial, "again": trial, "a third time": trial, **_other_batch(trial)}
    given = tuple(one.arguments for one in calls.values())
    seen = trial.do(scripted_calls, trial.build(), given, doing="running torch.jit.script")
    sides = ("from the scripted layer", "from the layer itself")
    return every(t.same(t.read_results(one), f"{what}: ", sides) for (what, t), one in zip(calls.items(), seen, strict=True))


@agree("onnx", formula="onnx(f)(x) = f(x)",
       source="pytorch/pytorch#11368, #34800, microsoft/onnxscript#2852", cost=3000, kind="differential",
       needs=("onnx", "float32"), applies=deterministic & padded & at_least(batch=1), stratum="compiled")  # fmt: skip
def onnx(trial: Trial) -> Observation:
    """Exported to ONNX and run by ONNX Runtime, the layer gives the same results, for other numbers too."""
    t = _briefly(trial).to("float32")
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
    t = trial.but(layout="contiguous")
    seen = t.do(mapped_call, t.layer, *t.arguments, trial.config.batch_first, doing="calling under vmap")
    return trial.same(t.read_results(seen), sides=("under vmap", "in the batch"))


@torch.no_grad()
def mapped_call(layer: Layer, x: Tensor, hx: tuple[Tensor, ...] | None, batch_first: bool) -> dict[str, Tensor]:
    """Return the results of a layer that torch.vmap maps over the sequences of a batch."""
    axis = 0 if batch_first else 1

    def alone(x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        output, *final = named_results(layer(x.unsqueeze(axis), tuple(part.unsqueeze(-2) for part in state) or None)).values()
        return output.squeeze(axis), *(part.squeeze(-2) for part in final)

    states = len(hx or ())
    output, *final = torch.vmap(alone, in_dims=(axis, *(-2,) * states))(x, *(hx or ()))
    return named_results((output.movedim(0, axis), tuple(part.movedim(0, -2) for part in final)))


@agree("captured", formula="replay(capture(f))(x) = f(x), f(x'), f(x)", kind="differential", cost=100,
       source="torch.cuda.graph: what Python did while it was captured stays as it was", needs=("export",),
       applies=deterministic & padded & at_least(batch=1) & on_cuda)  # fmt: skip
def captured_layer(trial: Trial) -> Observation:
    """A call captured as a CUDA graph and replayed gives the layer's results: on the same numbers, on others, and again."""
    t = trial.but(layout="contiguous", training=False)
    states = t.state and tuple(t.within_bounds(t.like(h, f"another {i}")) for i, h in enumerate(t.state))
    other = t.but(x=t.like(t.x, "another input"), state=states)
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
