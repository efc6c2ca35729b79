"""What must hold whatever the layout: other axes first, memory of another shape, and nobody else's memory touched."""

from contextlib import nullcontext
from typing import Any, get_args

import torch
from torch import Tensor

from rnncheck.catalog.tools.conditions import at_least, batched, deterministic, differentiable, padded
from rnncheck.catalog.tools.deeds import call_inputs, copies
from rnncheck.catalog.tools.fresh_memory import FreshMemory
from rnncheck.catalog.tools.gradients import agree
from rnncheck.catalog.tools.handed import Handed
from rnncheck.core.case import Layout
from rnncheck.core.mismatch_text import Origins
from rnncheck.core.observation import Observation, equal, every, identical
from rnncheck.core.property import Family
from rnncheck.core.subject import Layer
from rnncheck.running.backward import named_results
from rnncheck.running.layout import NEEDS_CONTIGUOUS
from rnncheck.running.trial import Trial

layout = Family("layout")
EITHER_WAY = ("batch_first", "time_first")


def _other_way(trial: Trial) -> Trial:
    """The same sequences through a layer that is batch_first if the case's is not."""
    return trial.but(batch_first=not trial.config.batch_first)


def _named(trial: Trial) -> tuple[str, str]:
    """The other way and the case's own, in words."""
    own = trial.config.batch_first
    return f"with batch_first={not own}", f"with batch_first={own}"


has_square = padded & batched & at_least(batch=1)


def _square(trial: Trial) -> Trial:
    """As many steps as sequences, so that no shape tells one axis from the other."""
    n = min(trial.time, trial.batch)
    return trial.but(x=trial.x[:n, :n], state=trial.map_state(lambda part: part[:, :n]))


@layout("batch_first", formula="f_bf(x.T) = f(x).T", source="pytorch/pytorch#80306", kind="metamorphic",
        needs=EITHER_WAY, applies=deterministic)  # fmt: skip
def batch_first(trial: Trial) -> Observation:
    """batch_first transposes input and output and nothing else: states stay (layers*directions, batch, features)."""
    return trial.same(_other_way(trial).run, sides=_named(trial))


@layout("square", formula="f_bf(x.T) = f(x).T, time = batch", source="pytorch/pytorch#80306",
        kind="metamorphic", cost=3, needs=EITHER_WAY, applies=deterministic & has_square)  # fmt: skip
def square(trial: Trial) -> Observation:
    """batch_first is also right when time == batch, where swapped axes would not show in any shape."""
    t = _square(trial)
    return t.same(_other_way(t).run, sides=_named(t))


@layout("gradient", formula="d f_bf(x.T) = d f(x)", source="pytorch/pytorch#80306", kind="derivative",
        cost=6, needs=EITHER_WAY, applies=deterministic & differentiable)  # fmt: skip
def gradient(trial: Trial) -> Observation:
    """batch_first transposes the gradient of the input and changes no other gradient, also when time == batch."""

    def both_ways(t: Trial) -> Observation:
        cotangents = t.cotangents()
        return agree(t, _other_way(t).gradients(cotangents), t.gradients(cotangents), cotangents, sides=_named(t))

    return both_ways(trial) & (both_ways(_square(trial)) if has_square(trial.case) else Observation())


@layout("strides", formula="f(x) = f(contiguous x)", source="Tensor.contiguous, Tensor.expand",
        kind="metamorphic", cost=6, applies=deterministic,
        convention="input or states that are not contiguous are refused", lenient=NEEDS_CONTIGUOUS)  # fmt: skip
def strides(trial: Trial) -> Observation:
    """Transposed, strided, expanded or offset input and hx give the same results as contiguous ones."""
    state = trial.map_state(_repeated)
    flat = trial.but(x=_repeated(trial.x), state=state, layout="contiguous")

    def same(t: Trial, name: Layout) -> Observation:
        return t.same(t.but(layout=name).run, f"{name}: ", ("here", f"in the first call, from {t.case.layout} memory"))

    return every(same(trial, name) for name in get_args(Layout) if name != "expanded") & same(flat, "expanded")


def _repeated(tensor: Tensor) -> Tensor:
    """The first time step, or the first sequence, instead of the others: values that expanded memory can hold."""
    return tensor[:1].expand(tensor.shape)[:, :1].expand(tensor.shape).clone()


@layout("fresh_memory", formula="torch.empty, empty_like, new_empty, empty_strided := NaN or 0  =>  f(x), d f(x) unchanged",
        kind="metamorphic", cost=4, source="fla-org/flash-linear-attention: torch.empty poisoned in its tests",
        applies=deterministic)  # fmt: skip
def fresh_memory(trial: Trial) -> Observation:
    """Memory is written before it is read: full of NaN or full of zeros, fresh memory changes no result and no gradient.

    Checked for torch.empty, empty_like, empty_strided and the new_ ones of them.
    """
    sides = ("with fresh memory full of NaN", "with fresh memory full of zeros")
    layer = trial.layer
    runs, found = [], []
    for value in (float("nan"), 0.0):
        with FreshMemory(value):
            runs.append(trial.run_on(layer))
    seen = trial.same(runs[0], sides=sides, other=runs[1])
    if not trial.case.training:
        return seen
    weights = trial.cotangents()
    for value in (float("nan"), 0.0):
        with FreshMemory(value):
            found.append(trial.gradients(weights, layer))
    return seen & agree(trial, found[0], found[1], sides=sides)


@layout("no_mutation", formula="x, hx, parameters, buffers ≡ before", source="pytorch/pytorch#1721",
        kind="invariant", cost=4)  # fmt: skip
def no_mutation(trial: Trial) -> Observation:
    """A call leaves input, state, parameters and buffers as they were: values, shapes, versions, flags and .grad.

    Checked for ordinary numbers, for NaN, and in inference mode; there for the first step alone as well, if a state is given.
    """
    with_nan = trial.x.index_fill(0, torch.zeros(1, dtype=torch.int64, device=trial.x.device), torch.nan)
    goes_on = trial.state is not None and trial.time > 1 and trial.lengths is None
    return (
        _untouched(trial)
        & _untouched(trial.but(x=with_nan), ", NaN in the input")
        & _untouched(trial, ", in inference mode", inference=True)
        & (_untouched(trial.but(x=trial.x[:1]), ", one step in inference mode", inference=True) if goes_on else Observation())
    )


def _untouched(trial: Trial, when: str = "", inference: bool = False) -> Observation:
    seen = trial.do(around_a_call, trial.layer, *trial.arguments, inference, trial.subject.keeps_state)
    before, after, sides = seen["before"], seen["after"], Origins("after the call", "before it")
    both = [name for name in before["values"] if name in after["values"]]
    values = every(identical(f"{name}{when}", after["values"][name], before["values"][name], sides=sides) for name in both)
    flags = every(equal(f"{flag}{when}", after["flags"].get(flag, was), was) for flag, was in before["flags"].items())
    names = equal("parameters and buffers", after["names"], before["names"])
    whole = equal(f"arguments that hold other tensors after the call{when}", seen["handed"], [])
    whole &= equal(f"arguments that the call writes into{when}", seen["written"], [])
    return names & flags & values & whole & equal("train/eval of each module", after["modes"], before["modes"])


def around_a_call(layer: Layer, x: Any, hx: Any, inference: bool, keeps_state: bool) -> dict[str, Any]:
    """Return what a call reads, before a call and after it; each parameter has a .grad meanwhile."""
    for parameter in layer.parameters().values():
        parameter.grad = torch.ones_like(parameter) if parameter.requires_grad else None
    before = as_it_is(layer, call_inputs(layer, x, hx, keeps_state))
    with torch.inference_mode() if inference else nullcontext(), Handed(layer.module) as handed:
        layer(x, hx)
    after = as_it_is(layer, call_inputs(layer, x, hx, keeps_state))
    return {"before": before, "after": after, "handed": handed.changed(), "written": handed.written()}


def as_it_is(layer: Layer, tensors: dict[str, Tensor]) -> dict[str, Any]:
    """Return names, values and flags of these tensors, and which modules are in train()."""
    modules = getattr(layer.module, "modules", None)
    return {
        "names": list(tensors),
        "values": copies(tensors),
        "flags": {f"{flag} of {name}": value for name, tensor in tensors.items() for flag, value in identity(tensor).items()},
        "modes": [module.training for module in modules()] if modules else [],
    }


def identity(tensor: Tensor) -> dict[str, object]:
    """Return all of a tensor but its values, by name."""
    return {
        "shape": tuple(tensor.shape), "stride": tensor.stride(), "dtype": tensor.dtype,
        "version": None if tensor.is_inference() else tensor._version, "being an inference tensor": tensor.is_inference(),
        "requires_grad": tensor.requires_grad, "presence of .grad": tensor.is_leaf and tensor.grad is not None,
    }  # fmt: skip


@layout("no_alias", formula="y := NaN  =>  x, hx, h_n, c_n, parameters ≡ before", kind="invariant",
        convention="results share memory with each other or with what was given",
        cost=2, source="in-place operations on results", applies=deterministic)  # fmt: skip
def no_alias(trial: Trial) -> Observation:
    """Writing into a result changes no other result, no input, state or parameter, and does not affect the next call."""
    changed = trial.do(written_into, trial.layer, *trial.arguments, doing="calling and writing into a result")
    seen = every(
        identical(f"{other} after writing into {name}", after, before)
        for name, others in changed.items()
        for other, (after, before) in others.items()
    )
    return seen & trial.same(trial.run_on(trial.layer), "the next call: ", ("now", "in a call of its own"))


@torch.no_grad()
def written_into(layer: Layer, x: Any, hx: Any) -> dict[str, dict[str, tuple[Tensor, Tensor]]]:
    """Return, for each result that is written into, what all else is after that and what it was before."""
    results = named_results(layer(x, hx))
    everything = {**call_inputs(layer, x, hx), **results}
    changed = {}
    for name in results:
        before = copies({other: tensor for other, tensor in everything.items() if other != name})
        everything[name].fill_(float("nan"))
        changed[name] = {other: (everything[other].detach().clone(), before[other]) for other in before}
    return {**changed, **_parts_written_into(layer, x, hx)}


def _parts_written_into(layer: Layer, x: Any, hx: Any) -> dict[str, dict[str, tuple[Tensor, Tensor]]]:
    """The same of several results of a typed recurrence, which lie side by side in copies in those above."""
    module, parts = layer.module, list[Tensor]()
    if getattr(module, "roles", None) is None:
        return {}
    module.own = parts
    layer(x, hx)
    module.own = None
    changed: dict[str, dict[str, tuple[Tensor, Tensor]]] = {}
    for i, part in enumerate(parts if len(parts) > 2 else []):
        others = {f"result {j}": other for j, other in enumerate(parts) if j != i}
        before = copies(others)
        part.detach().fill_(float("nan") if part.is_floating_point() else 0)
        changed[f"result {i}"] = {name: (other.detach().clone(), before[name]) for name, other in others.items()}
    return changed
