"""state.*: what must hold of a layer that keeps its state itself, from call to call, until it is made to forget."""

from typing import Any

import torch
from torch import Tensor

from rnncheck.catalog.state import state
from rnncheck.catalog.tools.conditions import at_least, batched, deterministic, one_direction, padded
from rnncheck.catalog.tools.deeds import copies
from rnncheck.core.mismatch_text import Origins
from rnncheck.core.observation import Observation, near
from rnncheck.core.subject import Layer, NotClaimed
from rnncheck.running.backward import named_results
from rnncheck.running.trial import Trial


@state(
    "kept",
    formula="f(x) = f(x_0) ++ f(x_1) ++ f(x[2:]), none of these calls but the first beginning anew",
    kind="metamorphic",
    source="Keras stateful layers; a state that a module keeps in an attribute or a buffer",
    applies=deterministic & padded & batched & one_direction & at_least(time=2, batch=1),
    cost=8,
)
def kept(trial: Trial) -> Observation:
    """A layer that keeps its state goes on from call to call as within one call, however long the calls are."""
    how = getattr(trial.layer.module, "how", {})
    if not trial.subject.keeps_state or how.get("last"):
        raise NotClaimed("it keeps no state from call to call")
    pieces = [trial.but(x=x) for x in trial.x.split((1, 1, trial.time - 2)) if len(x)]
    anew = [piece.run.output for piece in pieces]
    results = trial.do(going_on, trial.layer, tuple(piece.arguments[0] for piece in pieces))
    outputs = [piece.read_results(found).output.detach() for piece, found in zip(pieces, results.values(), strict=True)]
    if all(torch.equal(one, other) for one, other in zip(outputs, anew, strict=True)):
        raise NotClaimed("no call changes what a later one returns")
    allowed, sides = 2 * trial.budget.allowed.output, Origins("in calls that go on", "in one call")
    return near("output", torch.cat(outputs), trial.run.output, allowed, ("time", "batch", "features"), sides)


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
