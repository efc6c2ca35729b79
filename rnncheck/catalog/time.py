"""What must hold along the time axis: order, continuation, shared weights, reach and memory."""

import torch

from rnncheck.catalog.words import at_least, deterministic, one_direction, padded
from rnncheck.observation import Observation, every
from rnncheck.property import Family
from rnncheck.run import Run
from rnncheck.trial import Trial

time = Family("time")


@time("split", formula="f(x) = f(x[:k]) ++ f(x[k:], state)", kind="metamorphic",
      source="streaming equivalence; Keras stateful layers", applies=deterministic & one_direction & padded & at_least(time=2))
def split(trial: Trial) -> Observation:
    """Running a sequence in two pieces, carrying the state, gives the same as running it at once."""

    def in_two(k: int) -> Run:
        first = trial.but(x=trial.x[:k]).run
        second = trial.but(x=trial.x[k:], state=first.state).run
        return Run(torch.cat([first.output, second.output]), *second.state)

    return every(trial.same(in_two(k), f"split at {k}: ") for k in range(1, trial.time))
