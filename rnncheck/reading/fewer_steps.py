"""Whether a layer returns another number of steps than it is given, as a pyramid or a strided convolution does."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

import torch
from torch import nn

from rnncheck.core.config import Config
from rnncheck.reading.adapter.adapted import Adapted, at
from rnncheck.reading.calls.call_arguments import lengths
from rnncheck.reading.calls.experiment import HIDDEN, INPUT, quiet, rows_tried
from rnncheck.reading.calls.results import leaves
from rnncheck.reading.constructor.candidates import candidates

STEPS = (12, 24)
"""Numbers of steps that are given; what comes back for the second is twice what comes back for the first."""
MOST_BUILT = 4
"""Ways to build the layer that are tried."""


def steps_back(value: Any) -> int | None:
    """Return how many steps come back for STEPS[0], where that is another number in proportion; None otherwise."""
    for arguments in islice(candidates(value), MOST_BUILT):
        try:
            positions, named = arguments.of(Config("RNN_TANH", INPUT, HIDDEN))
            with quiet():
                module = value(*positions, **named)
                module = module.double().eval() if isinstance(module, nn.Module) else module
        except Exception:  # it is not built like this
            continue
        for time in (0, 1):
            some, more = (_steps(module, steps, time) for steps in STEPS)
            if some and more and some != STEPS[0] and more * STEPS[0] == some * STEPS[1]:
                return some
    return None


def steps_of_stack(module: Any, config: Config, how: Mapping[str, Any]) -> int | None:
    """Return the same of a module of several layers, which is called as the one of one layer is."""
    called, found = Adapted(module.double(), config.hidden_size, **how), []
    for steps in STEPS:
        shape = (rows_tried(), steps) if how["batch_first"] else (steps, rows_tried())
        try:
            with quiet():
                output = at(called.result(torch.zeros(*shape, config.input_size, dtype=torch.float64), None, None), how["output"])
        except Exception:  # it is not called like this
            return None
        time = int(how["batch_first"] and not how["listed"])
        output = torch.stack(list(output)) if how["listed"] else output
        found.append(output.shape[time] if output.dim() == 3 else 0)
    return found[0] if 0 < found[0] != STEPS[0] and found[1] * STEPS[0] == found[0] * STEPS[1] else None


def _steps(module: Any, steps: int, time: int) -> int | None:
    """The size of the axis of time in what the module returns; None where no tensor has the batch in its place."""
    x = torch.zeros((steps, rows_tried(), INPUT) if time == 0 else (rows_tried(), steps, INPUT), dtype=torch.float64)
    needed = [name for name, form, must in [lengths(module) or ("", "", False)] if must and form != "mask"]
    try:
        with quiet():
            found = list(leaves(module(x, **{name: torch.full((rows_tried(),), steps) for name in needed})))
    except Exception:  # it is not called like this
        return None
    return next((t.shape[time] for _, t in found if t.dim() == 3 and t.shape[1 - time] == rows_tried()), None)
