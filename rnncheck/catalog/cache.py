"""What must hold of a cache that a recurrence is given to remember with: an object that is carried from call to call, unread."""

import copy
from collections.abc import Callable
from typing import Any

import torch

from rnncheck.catalog.tools.conditions import at_least, deterministic, padded, with_named_axes
from rnncheck.core.observation import Observation, every
from rnncheck.core.property import Family
from rnncheck.core.run import Run
from rnncheck.core.subject import NotClaimed
from rnncheck.reading.typed.wrapper import Typed
from rnncheck.running.trial import Trial, subject_boundary

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
    session = Session(trial)
    cuts = ((k, session.outputs((0, k), (k, trial.time))) for k in range(1, trial.time))
    return every(session.same(run, f"cut at {k}: ", IN_PIECES) for k, run in cuts)


@cache(
    "steps",
    formula="f(x) = f(x[:k], new cache) ++ f(x[k], the cache) ++ f(x[k+1], the cache) ++ ...",
    kind="metamorphic",
    cost=8,
    source="state-spaces/mamba#1024: step is not forward",
    applies=carried & at_least(time=2),
)
def steps(trial: Trial) -> Observation:
    """One call a step with one cache gives the outputs of one call, from the first step on and after several at once."""
    session = Session(trial)
    k = trial.draw("steps at once", 1, trial.time - 1)
    single = [(t, t + 1) for t in range(trial.time)]
    seen = session.same(session.outputs(*single), "step by step: ", IN_PIECES)
    return seen & session.same(session.outputs((0, k), *single[k:]), f"{k} steps at once, then single ones: ", IN_PIECES)


@cache("fresh", formula="f(x, new cache) = f(x), after f(x', another new cache) too", kind="metamorphic", cost=4,
       source="a default argument, or a list of the class, that all caches share", applies=carried & at_least(time=1))  # fmt: skip
def fresh(trial: Trial) -> Observation:
    """A new cache knows nothing, not even of what another one was given meanwhile."""
    session = Session(trial)
    first = session.new()
    session.call(0, trial.time)
    return session.same(session.outputs((0, trial.time), cache=first), "", ("with a new cache", "without one"))


@cache("copied", formula="f(x[k:], copy of the cache) = f(x[k:], the cache)", kind="metamorphic", cost=4,
       source="beams and branches that share a prompt", applies=carried & at_least(time=2))  # fmt: skip
def copied(trial: Trial) -> Observation:
    """A deep copy of a cache goes on as the cache does, and neither sees what becomes of the other."""
    session, k = Session(trial), trial.draw("where it is copied", 1, trial.time - 1)
    first, original = session.call(0, k)
    with subject_boundary("copying a cache"):
        branch = copy.deepcopy(original)
    later, _ = session.call(k, trial.time, original)
    again, _ = session.call(k, trial.time, branch)
    sides = ("with a copy", "with the cache itself")
    return session.same(session.whole(first, again), "", sides, session.whole(first, later))


@cache("cropped", formula="f(x[k:], cache of x, cropped to k) = f(x)[k:]", kind="metamorphic", cost=4,
       source="huggingface/transformers#49036: crop leaves the state as it was", applies=carried & at_least(time=2))  # fmt: skip
def cropped(trial: Trial) -> Observation:
    """A cache that is cropped, or rolled back, goes on from where it was then, or refuses with an error."""
    session, k = Session(trial), trial.draw("steps that stay", 1, trial.time - 1)
    first, _ = session.call(0, k)
    _, full = session.call(0, trial.time)
    back = session.method(full, {"crop": k, "roll_back": trial.time - k, "rollback": trial.time - k})
    later, _ = session.call(k, trial.time, back())
    return session.same(session.whole(first, later), f"cropped to {k}: ", ("after a crop", "in one call"))


@cache("reset", formula="f(x, cache after reset) = f(x, new cache)", kind="metamorphic", cost=4,
       source="pytorch/rl#1406: states of the episode before", applies=carried & at_least(time=1))  # fmt: skip
def reset(trial: Trial) -> Observation:
    """A cache that is reset knows as little as a new one."""
    session = Session(trial)
    _, used = session.call(0, trial.time)
    back = session.method(used, {"reset": None, "clear": None})
    return session.same(session.outputs((0, trial.time), cache=back()), "", ("after a reset", "in one call"))


class Session:
    """Calls of one trial's layer with caches; raises NotClaimed where it takes none."""

    def __init__(self, trial: Trial) -> None:
        module = trial.layer.module
        if not isinstance(module, Typed) or module.roles["cache"] is None:
            raise NotClaimed("it takes no cache: cache: Annotated[Cache, rnncheck.State(new=Cache)]")
        if (module.roles["ragged"] or {}).get("needed"):
            raise NotClaimed("lengths must be given with each call")
        self.trial, self.module = trial, module

    def new(self) -> Any:
        """A new cache."""
        with subject_boundary("making a cache"):
            return self.module.new_cache(self.trial.x)

    def call(self, begin: int, end: int, cache: Any = None) -> tuple[Run, Any]:
        """The run of these steps after what the cache knows, and the cache then."""
        state = None if self.trial.state is None else self.trial.state[0]
        with subject_boundary("calling with a cache"), torch.set_grad_enabled(self.trial.case.training):
            output, found, cache = self.module.with_cache(self.trial.x[begin:end], state, cache)
        return Run(output, *(found or self.trial.run.state)).map(torch.Tensor.detach), cache

    def outputs(self, *parts: tuple[int, int], cache: Any = None) -> Run:
        """The runs of these steps one after the other, with one cache."""
        runs = []
        for begin, end in parts:
            run, cache = self.call(begin, end, cache)
            runs.append(run)
        return self.whole(*runs)

    def whole(self, *runs: Run) -> Run:
        """Runs one after the other; only their outputs are looked at."""
        return Run(torch.cat([run.output for run in runs]), *self.trial.run.state)

    def same(self, run: Run, why: str, sides: tuple[str, str], other: Run | None = None) -> Observation:
        """The outputs are those of the case's own run, or of another."""
        return self.trial.same(run, why, sides, other)

    def method(self, cache: Any, names: dict[str, int | None]) -> Callable[[], Any]:
        """The first of these methods that the cache has, with its argument; returns the cache, raises NotClaimed if it refuses."""
        name = next((name for name in names if callable(getattr(cache, name, None))), None)
        if name is None:
            raise NotClaimed(f"its cache has no method {' or '.join(names)}")
        given = [] if names[name] is None else [names[name]]

        def done() -> Any:
            try:
                back = getattr(cache, name)(*given)
            except Exception as error:  # whoever cannot do it says so
                raise NotClaimed(f"{name} of its cache raises {type(error).__name__}") from None
            return cache if back is None else back

        return done
