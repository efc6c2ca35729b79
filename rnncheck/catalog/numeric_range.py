"""What must hold of numbers that float32 can hold: no step on the way to them leaves its range."""

from rnncheck.catalog.numeric import numeric
from rnncheck.catalog.tools.at_bounds import at_bounds
from rnncheck.catalog.tools.conditions import at_least, deterministic, is_float32, with_bounds
from rnncheck.catalog.tools.moderate import (
    far_from_bounds,
    finite_gradients_where_moderate,
    finite_where_moderate,
    reached_state,
    saturating_input,
)
from rnncheck.core.observation import Observation, every
from rnncheck.running.same_start import numbers_of
from rnncheck.running.trial import Trial


@numeric(
    "range",
    formula="f(x) moderate in float64: f(x) finite in float32; so for d f(x)",
    kind="metamorphic",
    source="IEEE 754: 1 - sigmoid(z) is 0 from z = 17 on in float32, and its logarithm is not finite",
    needs=("float64",),
    applies=deterministic & is_float32 & at_least(time=1),
    cost=8,
)
def in_range(trial: Trial) -> Observation:
    """Where float64 gives moderate numbers, float32 gives no NaN and no inf, in results and in gradients.

    So it is also where large input saturates gates.
    """
    same = trial if trial.subject.offers("load") else trial.but(parameters=numbers_of(trial.build()))
    sides = ("in float32", "in float64")
    state = trial.state and (reached_state(same) or trial.state)  # zeros need not be a state that steps lead to
    runs = {"": same, "large x: ": same.but(x=saturating_input(trial), state=state)}
    seen = every(finite_where_moderate(one.run, one.to("float64").run, what, sides) for what, one in runs.items())
    if not (seen.holds and trial.case.training):
        return seen
    steep = {"": same, "large x: ": same.but(x=far_from_bounds(trial), state=state)}
    return seen & every(finite_gradients_where_moderate(one, what, sides) for what, one in steep.items())


@numeric(
    "bounds",
    convention="a value exactly at the bound of its type, such as a decay of 1, gives NaN or inf, in results or in gradients",
    torchs=False,
    formula="a -> bound: f(a) -> y  =>  f(bound) finite; so for d f(a)",
    kind="metamorphic",
    source="IEEE 754: log(1 - a) is -inf at a = 1, and exp of it is 0 with a gradient of 0 * inf",
    needs=("float64",),
    applies=with_bounds & deterministic & is_float32 & at_least(time=1),
    cost=4,
)
def bounds(trial: Trial) -> Observation:
    """Values exactly at the bounds of their types give finite results and gradients, where those near the bounds approach any."""
    return at_bounds(trial if trial.subject.offers("load") else trial.but(parameters=numbers_of(trial.build())))
