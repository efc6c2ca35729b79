"""What must hold of gradients through the final state and into the initial one, over all steps of a case; and of their bits."""

from torch import Tensor

from rnncheck.catalog.gradient import TRAINING, gradient
from rnncheck.catalog.tools.conditions import at_least, deterministic, hx_given
from rnncheck.catalog.tools.finite_differences import as_differences, loss, whole_in_double
from rnncheck.catalog.tools.gradients import axes_of
from rnncheck.core.mismatch_text import Origins
from rnncheck.core.observation import Observation, equal, every, identical
from rnncheck.running.trial import Trial

DOUBLE = ("training", "float64", "state")
TWICE = ("in the second pass", "in the first")


@gradient("through_final_state", formula="<d s_n, v> = (s_n(x + e v, s_0, W) - s_n(x - e v, s_0, W)) / 2e, so for s_0 and W",
          source="fla-org/flash-linear-attention#459: a gate's gradient without the final state's", kind="derivative",
          needs=DOUBLE, applies=deterministic & at_least(time=1, batch=1), cost=20)  # fmt: skip
def through_final_state(trial: Trial) -> Observation:
    """A loss of the final states alone has the right gradients into input, initial states and parameters, over all steps."""
    return as_differences(whole_in_double(trial), loss, "loss of the final states", names=("h_n", "c_n"))


@gradient("into_initial_state", formula="<d f / d s_0, v> = (f(x, s_0 + e v) - f(x, s_0 - e v)) / 2e",
          source="fla-org/flash-linear-attention: dh0; a learned initial state", kind="derivative",
          needs=(*DOUBLE, "hx"), applies=deterministic & hx_given & at_least(batch=1), cost=12)  # fmt: skip
def into_initial_state(trial: Trial) -> Observation:
    """The gradients of all results into each initial state are right, over all steps."""
    return as_differences(whole_in_double(trial), loss, "loss", ("h_0", "c_0"))


@gradient("repeatable", formula="d f(x); d f(x) ≡ d f(x)", source="torch.use_deterministic_algorithms", kind="derivative",
          needs=("repeatable", *TRAINING), applies=deterministic, cost=4)  # fmt: skip
def repeatable(trial: Trial) -> Observation:
    """Claimed by the layer: the same call gives the same gradients a second time, bit for bit."""
    weights = trial.cotangents()
    first, second = (trial.gradients(weights) for _ in range(2))
    return every(_same_bits(name, second[name], found) for name, found in first.items())


def _same_bits(name: str, again: Tensor | None, first: Tensor | None) -> Observation:
    if again is None or first is None:
        return equal(f"gradient of {name}", again, first)
    return identical(f"gradient of {name}", again, first, axes_of(name, first), Origins(*TWICE))
