"""What must hold of a cache that a recurrence is given to remember with: an object that is carried from call to call, unread."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from rnncheck.catalog.tools.cache_calls import (
    after_another,
    back_again,
    branched,
    gradients_in_pieces,
    outputs_in_pieces,
    prefilled,
    rows_chosen,
)
from rnncheck.catalog.tools.conditions import at_least, deterministic, padded, with_named_axes
from rnncheck.catalog.tools.follow_ups import drawn_end, ends, single_steps, steps_at_once
from rnncheck.catalog.tools.gradients import agree as gradients_agree
from rnncheck.catalog.tools.gradients import only
from rnncheck.core.mismatch_text import Origins
from rnncheck.core.observation import Observation, every, near
from rnncheck.core.property import Family
from rnncheck.core.run import Run
from rnncheck.core.subject import NotClaimed
from rnncheck.reading.typed.wrapper import Typed
from rnncheck.running.trial import Trial

cache = Family("cache")
carried = deterministic & padded & with_named_axes & at_least(batch=1)
IN_PIECES = ("in pieces, with a cache", "in one call")


@cache(
    "pieces",
    formula="f(x) = f(x[:k], new cache) ++ f(x[k:], the cache)",
    kind="metamorphic",
    cost=8,
    source="huggingface/transformers#45513, fla-org/flash-linear-attention#285, fla-org/flash-linear-attention#494",
    applies=carried & at_least(time=2),
)
def pieces(trial: Trial) -> Observation:
    """A sequence in two calls with one cache gives the outputs of one call, wherever it is cut."""
    cuts = ((k, outputs(trial, (0, k), (k, trial.time))) for k in ends(trial))
    return every(same(trial, output, f"cut at {k}: ", IN_PIECES) for k, output in cuts)


@cache(
    "steps",
    formula="f(x) = f(x[:k], new cache) ++ f(x[k], the cache) ++ f(x[k+1], the cache) ++ ...",
    kind="metamorphic",
    cost=4,
    source="state-spaces/mamba#1024: step is not forward",
    applies=carried & at_least(time=2),
)
def steps(trial: Trial) -> Observation:
    """One call a step with one cache gives the outputs of one call, from the first step on and after several at once."""
    single = [(t, t + 1) for t in single_steps(trial)]
    k = steps_at_once(trial, trial.time - 1)
    seen = same(trial, outputs(trial, *single), "step by step: ", IN_PIECES)
    if k == 1:
        return seen
    return seen & same(trial, outputs(trial, (0, k), *single[k:]), f"{k} steps at once, then single ones: ", IN_PIECES)


@cache("prefill", formula="f(x[:n_b] padded, n, new cache) ++ f(x[n_b], the cache) ++ ... = f(x), in each row b",
       kind="metamorphic", cost=4, needs=("lengths",),
       source="huggingface/transformers#47086: padding leaks into the state that is cached",
       applies=carried & at_least(time=3, batch=2))  # fmt: skip
def prefill(trial: Trial) -> Observation:
    """Sequences of several lengths in one call with a cache, and then step by step, give the outputs of one call."""
    if trial.layer.module.roles["positions"]:
        raise NotClaimed("the number of steps before a call is one number, and these rows have several")
    if trial.subject.steps > 1:
        raise NotClaimed(f"it takes numbers of steps that are {trial.subject.steps_in_words}")
    most = trial.draw("most steps at once", 2, trial.time - 1)
    lengths = [1, *(trial.draw(f"steps at once of row {row}", 1, most) for row in range(2, trial.batch)), most]
    layer, x, hx = taking_a_cache(trial)
    output = trial.do(prefilled, layer, x, hx, lengths, trial.time - most, doing="calling with a cache")["output"]
    at = torch.tensor(lengths) + torch.arange(trial.time - most)[:, None], torch.arange(trial.batch)
    told, sides = f"after {', '.join(map(str, lengths))} steps at once: output", Origins(*IN_PIECES)
    return near(told, output, trial.run.output[at], lambda: trial.budget.twice.output[at], Run.AXES["output"], sides)


@cache("gradient", formula="d (f(x[:k], new cache) ++ f(x[k:], the cache)) = d f(x)", kind="derivative", cost=4,
       needs=("training",), source="a state that is kept beside others, and detached alone",
       applies=carried & at_least(time=2))  # fmt: skip
def gradient(trial: Trial) -> Observation:
    """A loss of what comes after a cut has the gradients of one call, back through the cache.

    A cache that is made for calls may let none through; what begins as None and comes back is a state, and lets them through.
    """
    layer, x, hx = told_what_came_before(trial)
    k, weights = drawn_end(trial, "where it is cut"), only(trial.cotangents(), ("output",))
    weights = replace(weights, output=behind(weights.output, k))
    given = (layer, x, hx, weights.output, [(0, k), (k, trial.time)])
    found = trial.do(gradients_in_pieces, *given, doing="running backward through a cache")
    if "refused" in found:
        raise NotClaimed(f"no gradient can be had through its cache: backward raises {found['refused']}")
    whole, first = trial.gradients(weights), found["input"]
    how = layer.module.roles["cache"]
    is_state = how is None or how["new"] is type(None)
    flows = any(part is not None and bool(part.any()) for part in (first if first is None else first[:k], found.get("h_0")))
    if not flows and not is_state:
        found, whole = ({"input": behind(one["input"], k)} for one in (found, whole))  # it is detached: each call learns by itself
    return gradients_agree(trial, found, whole, weights, why=f"cut at {k}: ", sides=IN_PIECES)


@cache("fresh", formula="f(x, new cache) = f(x), after f(x', another new cache) too", kind="metamorphic", cost=4,
       source="a default argument, or a list of the class, that all caches share", applies=carried & at_least(time=1))  # fmt: skip
def fresh(trial: Trial) -> Observation:
    """A new cache knows nothing, not even of what another one was given meanwhile."""
    output = trial.do(after_another, *taking_a_cache(trial), doing="calling with a cache")["output"]
    return same(trial, output, "", ("with a new cache", "without one"))


@cache("copied", formula="f(x[k:], copy of the cache) = f(x[k:], the cache)", kind="metamorphic", cost=4,
       source="beams and branches that share a prompt", applies=carried & at_least(time=2))  # fmt: skip
def copied(trial: Trial) -> Observation:
    """A deep copy of a cache goes on as the cache does, and neither sees what becomes of the other."""
    k = drawn_end(trial, "where it is copied")
    found = trial.do(branched, *taking_a_cache(trial), k, doing="calling with a copy of a cache")
    return same(trial, found["copy"], "", ("with a copy", "with the cache itself"), found["cache"])


@cache("reordered", formula="f(x[k:, i], cache of x[:k], reordered by i) = f(x)[k:, i]", kind="metamorphic", cost=4,
       source="beam search: of several states one stays with its row", applies=carried & at_least(time=2, batch=2))  # fmt: skip
def reordered(trial: Trial) -> Observation:
    """A cache whose rows are chosen, as beams are, goes on with these rows."""
    layer, x, hx = taking_a_cache(trial)
    k, rows = drawn_end(trial, "steps before"), list(range(trial.batch))[::-1]
    rows[trial.draw("where a row comes twice", 0, trial.batch - 1)] = rows[0]
    output = changed(trial, rows_chosen, layer, x, hx, k, rows, dict.fromkeys(("reorder_cache", "reorder", "batch_select_indices")))
    told, sides = f"rows {rows}: output", Origins("after the cache's rows are chosen", "in one call")
    return near(told, output, trial.run.output[k:, rows], lambda: trial.budget.twice.output[k:, rows], Run.AXES["output"], sides)


@cache("cropped", formula="f(x[k:], cache of x, cropped to k) = f(x)[k:]", kind="metamorphic", cost=4,
       source="huggingface/transformers#49036: crop leaves the state as it was", applies=carried & at_least(time=2))  # fmt: skip
def cropped(trial: Trial) -> Observation:
    """A cache that is cropped, or rolled back, goes on from where it was then, or refuses with an error."""
    k = drawn_end(trial, "steps that stay")
    methods = {"crop": [k], "roll_back": [trial.time - k], "rollback": [trial.time - k]}
    output = changed(trial, back_again, *taking_a_cache(trial), k, methods)
    return same(trial, output, f"cropped to {k}: ", ("after a crop", "in one call"))


@cache("reset", formula="f(x, cache after reset) = f(x, new cache)", kind="metamorphic", cost=4,
       source="pytorch/rl#1406: states of the episode before", applies=carried & at_least(time=1))  # fmt: skip
def reset(trial: Trial) -> Observation:
    """A cache that is reset knows as little as a new one."""
    output = changed(trial, back_again, *taking_a_cache(trial), 0, {"reset": [], "clear": []})
    return same(trial, output, "", ("after a reset", "in one call"))


def taking_a_cache(trial: Trial) -> tuple[Any, Tensor, Tensor | None]:
    """Layer, input and initial state for calls with a cache; raises NotClaimed where it takes none."""
    module = trial.layer.module
    if not isinstance(module, Typed) or module.roles["cache"] is None:
        raise NotClaimed("it takes no cache: cache: Annotated[Cache, rnncheck.State(new=Cache)]")
    return trial.layer, trial.x, None if trial.state is None else trial.state[0]


def told_what_came_before(trial: Trial) -> tuple[Any, Tensor, Tensor | None]:
    """The same for calls that go on from others: it may be told how many steps came before, too."""
    module = trial.layer.module
    if isinstance(module, Typed) and module.roles["positions"]:
        return trial.layer, trial.x, None if trial.state is None else trial.state[0]
    return taking_a_cache(trial)


def outputs(trial: Trial, *parts: tuple[int, int]) -> Tensor:
    """The outputs of these steps, call after call, with one new cache."""
    found: Tensor = trial.do(outputs_in_pieces, *told_what_came_before(trial), list(parts), doing="calling with a cache")["output"]
    return found


def changed(trial: Trial, deed: Callable[..., Any], *given: Any) -> Tensor:
    """The output of a deed that calls a method of the cache; raises NotClaimed where it has none, or refuses."""
    found = trial.do(deed, *given, doing="calling with a cache")
    if "refused" in found:
        raise NotClaimed(found["refused"])
    output: Tensor = found["output"]
    return output


def same(trial: Trial, output: Tensor, why: str, sides: tuple[str, str], other: Tensor | None = None) -> Observation:
    """The outputs are those of the case's own run, or others; states are not looked at."""
    states = trial.run.state
    return trial.same(Run(output, *states), why, sides, None if other is None else Run(other, *states))


def behind(part: Any, k: int) -> Any:
    """The same with zeros for the first steps; None stays None."""
    return None if part is None else torch.cat([torch.zeros_like(part[:k]), part[k:]])
