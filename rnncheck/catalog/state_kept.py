"""state.*: what must hold of a layer that keeps its state itself, from call to call, until it is made to forget."""

from typing import Any

import torch
from torch import Tensor

from rnncheck.catalog.state import state
from rnncheck.catalog.tools.conditions import at_least, batched, deterministic, one_direction, padded
from rnncheck.catalog.tools.deeds import copies
from rnncheck.core.mismatch_text import Origins
from rnncheck.core.observation import Observation, equal, near
from rnncheck.core.run import Run
from rnncheck.core.subject import Layer, NotClaimed
from rnncheck.reading.calls.call_arguments import is_another, is_state_word
from rnncheck.running.backward import named_results
from rnncheck.running.trial import Trial


@state(
    "kept",
    formula="f(x) = f(x_0) ++ f(x[1:-1]) ++ f(x[-1]), none of these calls but the first beginning anew",
    kind="metamorphic",
    source="Keras stateful layers; a state that a module keeps in an attribute or a buffer",
    applies=deterministic & padded & batched & one_direction & at_least(time=3, batch=1),
    cost=8,
)
def kept(trial: Trial) -> Observation:
    """A layer that keeps its state goes on from call to call as within one call, however long the calls are."""
    how = getattr(trial.layer.module, "how", {})
    if not trial.subject.keeps_state or how.get("last"):
        raise NotClaimed("it keeps no state from call to call")
    pieces = [trial.but(x=x) for x in trial.x.split((1, trial.time - 2, 1)) if len(x)]
    anew = [piece.run.output for piece in pieces]
    results = trial.do(going_on, trial.layer, tuple(piece.arguments[0] for piece in pieces))
    outputs = [piece.read_results(found).output.detach() for piece, found in zip(pieces, results.values(), strict=True)]
    unmoved = all(torch.equal(one, other) for one, other in zip(outputs, anew, strict=True))
    if unmoved and not trial.look(leaves_a_state, trial.layer, trial.arguments[0]):
        raise NotClaimed("no call changes what a later one returns")
    sides = Origins("in calls that go on", "in one call")
    return near("output", torch.cat(outputs), trial.run.output, lambda: trial.budget.twice.output, Run.AXES["output"], sides)


def going_on(layer: Layer, inputs: tuple[Any, ...]) -> dict[str, dict[str, Tensor]]:
    """Return the results of calls one after the other, of which the first alone begins anew."""
    results = {}
    try:
        for number, x in enumerate(inputs):
            results[f"call {number + 1}"] = copies(named_results(layer(x, None)))
            layer.module.begin = lambda input: None
    finally:
        vars(layer.module).pop("begin", None)
    return results


def leaves_a_state(layer: Layer, x: Any) -> bool:
    """Return whether a call leaves a state that a method of that name takes away, and does not take it away itself as it begins."""
    if not layer.module.how["reset"]:
        return False
    (name, sizes), inner = layer.module.forgets(x), layer.module.wrapped()
    method, calls = getattr(inner, name), []

    def counted(*given: Any) -> Any:
        calls.append(name)
        return method(*given)

    vars(inner)[name] = counted
    try:
        layer(x, None)
    finally:
        vars(inner).pop(name)
    left = {**vars(inner), **inner._buffers}
    method(*sizes)
    now = {**vars(inner), **inner._buffers}
    return len(calls) == 1 and any(is_state_word(key) and is_another(now.get(key), value) for key, value in left.items())


@state(
    "cut",
    formula="f(x_0), backward; f(x[1:]), backward",
    kind="derivative",
    source="truncated backpropagation; RuntimeError: Trying to backward through the graph a second time",
    convention="the state that it keeps is not detached: backward after a second call fails unless the caller cuts the graph",
    torchs=False,
    needs=("training",),
    applies=deterministic & padded & batched & at_least(time=2, batch=1),
    cost=4,
)
def cut(trial: Trial) -> Observation:
    """Backward works after each of two calls of a layer that keeps its state, which is cut from the graph of the call before."""
    if not trial.subject.keeps_state or getattr(trial.layer.module, "how", {}).get("last"):
        raise NotClaimed("it keeps no state from call to call")
    inputs = tuple(trial.but(x=x).leaves[0] for x in (trial.x[:1], trial.x[1:]))
    return equal("backward after the second call", trial.do(backward_in_turn, trial.build(), inputs), "works")


def backward_in_turn(layer: Layer, inputs: tuple[Any, ...]) -> str:
    """Return whether backward works after the last of several calls, of which the first alone begins anew."""
    told = "works"
    try:
        for number, x in enumerate(inputs):
            with torch.enable_grad():
                loss = torch.stack([part.sum() for part in named_results(layer(x, None)).values()]).sum()
            layer.module.begin = lambda input: None
            try:
                loss.backward()
            except RuntimeError as error:
                if number == 0:
                    raise
                told = str(error).partition(" (")[0]
    finally:
        vars(layer.module).pop("begin", None)
    return told


@state(
    "forgets",
    formula="f(x'), reset, f(x) = f(x)",
    kind="metamorphic",
    source="Keras reset_states; policies that are reset at the end of an episode: pytorch/rl#1406",
    applies=deterministic & padded & batched & at_least(time=1, batch=1),
    cost=3,
)
def forgets(trial: Trial) -> Observation:
    """After the method that resets its state, a layer that keeps its state knows as little as a new one."""
    how = getattr(trial.layer.module, "how", {})
    if not how.get("reset"):
        raise NotClaimed("no method resets a state that it keeps")
    before = trial.but(x=trial.like(trial.x, "input of the call before"))
    found = trial.do(after_another, trial.layer, before.arguments[0], trial.arguments[0])
    return trial.same(trial.read_results(found), sides=(f"after another call and {how['reset'][0]}()", "from a new layer"))


def after_another(layer: Layer, before: Any, x: Any) -> dict[str, Tensor]:
    """Return the results of a call after another one; the layer is made to forget before each."""
    layer(before, None)
    return copies(named_results(layer(x, None)))
