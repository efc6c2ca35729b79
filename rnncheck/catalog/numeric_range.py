"""What must hold of numbers that float32 can hold: no step on the way to them leaves its range."""

from rnncheck.catalog.numeric import numeric
from rnncheck.catalog.tools.conditions import at_least, deterministic, is_float32
from rnncheck.catalog.tools.moderate import finite_where_moderate, saturating_input
from rnncheck.core.observation import Observation, every
from rnncheck.running.same_start import numbers_of
from rnncheck.running.trial import Trial


@numeric(
    "range",
    formula="f(x) moderate in float64: f(x) finite in float32",
    kind="metamorphic",
    source="IEEE 754: 1 - sigmoid(z) is 0 from z = 17 on in float32, and its logarithm is not finite",
    needs=("float64",),
    applies=deterministic & is_float32 & at_least(time=1),
    cost=4,
)
def in_range(trial: Trial) -> Observation:
    """Where float64 gives moderate numbers, float32 gives no NaN and no inf, also where large input saturates gates."""
    same = trial if trial.subject.offers("load") else trial.but(parameters=numbers_of(trial.build()))
    runs = {"": same, "large x: ": same.but(x=saturating_input(trial))}
    sides = ("in float32", "in float64")
    return every(finite_where_moderate(one.run, one.to("float64").run, what, sides) for what, one in runs.items())
