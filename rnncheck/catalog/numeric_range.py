"""What must hold of numbers that float32 can hold: no step on the way to them leaves its range."""

from rnncheck.catalog.numeric import numeric
from rnncheck.catalog.tools.at_bounds import at_bounds
from rnncheck.catalog.tools.conditions import at_least, deterministic, is_float32
from rnncheck.catalog.tools.moderate import (
    far_from_bounds,
    finite_gradients_where_moderate,
    finite_where_moderate,
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
    cost=10,
)
def in_range(trial: Trial) -> Observation:
    """Where float64 gives moderate numbers, float32 gives no NaN and no inf, in results and in gradients.

    So it is also where large input saturates gates. At the bounds that a type declares for a value, the numbers are those that are
    approached near them, if there are any.
    """
    same = trial if trial.subject.offers("load") else trial.but(parameters=numbers_of(trial.build()))
    sides = ("in float32", "in float64")
    runs = {"": same, "large x: ": same.but(x=saturating_input(trial))}
    seen = every(finite_where_moderate(one.run, one.to("float64").run, what, sides) for what, one in runs.items()) & at_bounds(same)
    if not (seen.holds and trial.case.training):
        return seen
    steep = {"": same, "large x: ": same.but(x=far_from_bounds(trial))}
    return seen & every(finite_gradients_where_moderate(one, what, sides) for what, one in steep.items())
