"""What must hold of the graph that a call leaves behind: backward goes by that call, whatever happened in between."""

from typing import Any, get_args

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from rnncheck.catalog.tools.conditions import at_least, deterministic
from rnncheck.catalog.tools.gradients import agree
from rnncheck.core.case import Layout
from rnncheck.core.observation import Observation, every, identical
from rnncheck.core.property import Family
from rnncheck.core.subject import Layer, NotClaimed
from rnncheck.running.backward import as_leaves, backward_of, named_arguments, named_results, trained, weighted_sum
from rnncheck.running.layout import lay_out
from rnncheck.running.trial import SubjectError, Trial, subject_boundary

graph = Family("graph")
TRAINING = ("training",)
some = deterministic & at_least(time=1, batch=1)


@graph("memory", formula="backward(w) is that of contiguous w, and w ≡ before", source="Tensor.contiguous; a loss of y.T, y.sum()",
       kind="derivative", needs=TRAINING, applies=some, cost=20)  # fmt: skip
def memory(trial: Trial) -> Observation:
    """Incoming gradients may be transposed, strided, expanded or offset in memory: backward is right and leaves them unchanged."""
    weights = trial.cotangents()
    right = trial.gradients(weights)

    def through(name: Layout) -> Observation:
        plain = trial.as_returned(weights)
        seen = _incoming(trial, {part: lay_out(g, name) for part, g in plain.items()})
        kept = every(identical(f"incoming gradient of {part}, {name}", seen["incoming"][part], was) for part, was in plain.items())
        return kept & agree(trial, trial.gradients_of(seen["gradients"]), right, why=f"incoming gradients {name}: ")

    in_full = every(through(name) for name in get_args(Layout) if name != "expanded")
    return in_full & (of_the_sum(trial) if trial.lengths is None else Observation())


def _incoming(trial: Trial, incoming: dict[str, Tensor]) -> dict[str, Any]:
    seen: dict[str, Any] = trial.do(backward_from, trial.layer, *trial.leaves, incoming, doing="running backward")
    return seen


def backward_from(layer: Layer, x: Any, hx: Any, incoming: dict[str, Tensor]) -> dict[str, dict[str, Any]]:
    """Return the gradients where these arrive at the results, and what the arriving ones are before and after."""
    before = {name: part.clone() for name, part in incoming.items()}
    with torch.enable_grad():
        x, hx = as_leaves(x, hx)
        wanted = {**named_arguments(x, hx), **trained(layer)}
        ends = {name: part for name, part in named_results(layer(x, hx)).items() if part.requires_grad and name in incoming}
        given = [incoming[name] for name in ends]
        found = torch.autograd.grad(list(ends.values()), list(wanted.values()), given, allow_unused=True)
    return {"gradients": dict(zip(wanted, found, strict=True)), "incoming": incoming, "before": before}


def of_the_sum(trial: Trial) -> Observation:
    """The loss is the sum of all results: each gradient arrives as one number, expanded."""
    ones = trial.run.map(torch.ones_like)
    seen = _incoming(trial, {part: g.new_ones(()).expand(g.shape) for part, g in trial.as_returned(ones).items()})
    found = trial.gradients_of(seen["gradients"])
    return agree(trial, found, trial.gradients(ones), ones, why="incoming gradients expanded: ")


@graph("several", formula="y = f(x), y' = f(x'): d y, d y' each as if alone, in either order",
       source="torch.autograd.Function: ctx", kind="derivative", needs=TRAINING, applies=some, cost=20)  # fmt: skip
def several(trial: Trial) -> Observation:
    """Two calls may await backward at once: each gets the gradients it has alone, whichever backward runs first."""
    layer, other = trial.layer, trial.but(x=trial.like(trial.x, "another input"))
    both = (trial, other)
    weights = {t: t.cotangents() for t in both}
    alone = {t: t.gradients(weights[t], trial.build()) for t in both}
    calls = tuple((*t.leaves, t.as_returned(weights[t])) for t in both)

    def first(order: tuple[int, int], what: str) -> Observation:
        found = trial.do(open_at_once, layer, calls, order, doing="running backward")
        pairs = zip(both, found, strict=True)
        return every(agree(t, t.gradients_of(g), alone[t], why=f"{what} differentiated first: ") for t, g in pairs)

    return first((0, 1), "the earlier call") & first((1, 0), "the later call")


def open_at_once(
    layer: Layer, calls: tuple[tuple[Any, Any, dict[str, Tensor]], ...], order: tuple[int, ...]
) -> list[dict[str, Any]]:
    """Return the gradients of each of several calls that await backward at once, which is run in this order."""
    pending, found = [], {}
    with torch.enable_grad():
        for x, hx, weights in calls:
            x, hx = as_leaves(x, hx)
            wanted = {**named_arguments(x, hx), **trained(layer)}
            pending.append((weighted_sum(named_results(layer(x, hx)), weights), wanted))
        for place in order:
            loss, wanted = pending[place]
            gradients = torch.autograd.grad(loss, list(wanted.values()), allow_unused=True)
            found[place] = dict(zip(wanted, gradients, strict=True))
    return [found[place] for place in range(len(calls))]


CHANGED = ("the input", "the state", "the parameters", "the output", "the final state")
"""What may be written into between a call and its backward."""


def computes_again(trial: Trial, layer: Layer) -> bool:
    """Whether backward runs a part of the call again, as torch.utils.checkpoint does, which does not see what has changed."""
    refusal = "saved tensors are kept as they are here"
    try:
        with torch.autograd.graph.disable_saved_tensors_hooks(refusal), torch.enable_grad(), subject_boundary("calling"):
            layer(*trial.lay_out(*as_leaves(trial.x, trial.state)))
    except SubjectError as error:
        if refusal in str(error.cause):
            return True
        raise
    return False


@graph("changed", formula="y = f(x); v += 1: backward raises, or gives d f(x)",
       source="torch.autograd: in-place correctness checks", kind="derivative", needs=TRAINING, applies=some, cost=20)  # fmt: skip
def changed(trial: Trial) -> Observation:
    """If anything a call used or returned is modified in place before backward, backward raises or is still right."""
    weights = trial.cotangents()
    right = trial.gradients(weights)
    if computes_again(trial, trial.build()):
        raise NotClaimed("parts of the call are run again for backward, which torch cannot tell to be changed")

    def after(what: str) -> Observation:
        given = (*trial.leaves, trial.as_returned(weights), what)
        found = trial.do(changed_between, trial.build(), *given, doing=f"writing into {what}")
        return agree(trial, trial.gradients_of(found), right, why=f"{what} changed between call and backward: ")

    return every(after(what) for what in CHANGED)


def changed_between(layer: Layer, x: Any, hx: Any, weights: dict[str, Tensor], what: str) -> dict[str, Any]:
    """Return the gradients of a call, something of which is written into before backward; where that refuses, as if not."""
    untouched = backward_of(layer, x, hx, weights)
    with torch.enable_grad():
        x, hx = as_leaves(x, hx)
        leaves = {**named_arguments(x, hx), **trained(layer)}
        given = PackedSequence(x.data.clone(), *x[1:]) if isinstance(x, PackedSequence) else x.clone()
        states = hx and tuple(part.clone() for part in hx)
        output, final = layer(given, states)
        results = named_results((output, final))
        loss = weighted_sum(results, weights)
        own = {
            "the input": [named_arguments(given, None)["input"]], "the state": states or (),
            "the parameters": layer.parameters().values(), "the output": [results["output"]], "the final state": final,
        }  # fmt: skip
        with torch.no_grad():
            for tensor in own[what]:
                if tensor.is_floating_point():
                    tensor.add_(1.0)
        try:
            found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
        except Exception:  # it is refused, as autograd does it
            return untouched
    return dict(zip(leaves, found, strict=True))


@graph("unfrozen", formula="f frozen, f(x), f unfrozen: d f(x) as ever", source="Tensor.requires_grad_: fine-tuning in stages",
       kind="derivative", needs=TRAINING, applies=some, cost=4)  # fmt: skip
def unfrozen(trial: Trial) -> Observation:
    """A layer that was called while frozen has all its gradients again once unfrozen."""
    layer, weights = trial.build(), trial.cotangents()
    trial.do(called_while_frozen, layer, *trial.arguments)
    return agree(trial, trial.gradients(weights, layer), trial.gradients(weights))


def called_while_frozen(layer: Layer, x: Any, hx: Any) -> None:
    """Call a layer while none of its parameters requires gradients; then they do again."""
    free = trained(layer).values()
    for parameter in free:
        parameter.requires_grad_(False)
    layer(x, hx)
    for parameter in free:
        parameter.requires_grad_(True)
