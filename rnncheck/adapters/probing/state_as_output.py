"""Whether the final state of a recurrence is one of its outputs, of whatever step: then it should be that of the last."""

from dataclasses import replace
from functools import partial

from rnncheck.adapters.probing.ground import Baseline, attempt, trial_of_ground
from rnncheck.adapters.probing.stacked import LAYERS


def is_an_output(start: Baseline) -> bool:
    """Return whether a final state of the last layer is the output of some step, of either direction, number by number."""
    return _is_one(start, slice(-start.case.config.directions, None))


def adds_to_its_output(start: Baseline) -> bool:
    """Return whether no final state of a stack, of whichever layer, is an output: something is added to what the last returns."""
    stacked = start.case.but(config=start.case.config.but(num_layers=LAYERS))
    return not _is_one(replace(start, case=stacked), slice(None))


def _is_one(start: Baseline, which: slice) -> bool:
    """Whether one of these final states is the output of some step, number by number."""
    trial = trial_of_ground(start.subject, start.case)
    run, error = attempt(partial(getattr, trial, "run"))
    directions, size = trial.config.directions, trial.config.state_size
    if error is not None or run.output.shape[-1] != directions * size or len(run.h_n) < directions:
        return False
    outputs = run.output.unflatten(-1, (directions, size)).movedim(-2, 0)
    states = run.h_n[which]
    same = (outputs == states[:, None, None]).flatten(3).all(-1)  # (a state's direction, an output's direction, time)
    return bool(same.any() and run.h_n.any())
