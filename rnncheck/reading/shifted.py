"""Whether each output belongs to the step before, as in a decoder that is given the targets: the last input has no effect then."""

from typing import Any

import torch

from rnncheck.core.config import Config
from rnncheck.reading.calls.experiment import Sizes, Start, example, runner
from rnncheck.reading.calls.results import leaves
from rnncheck.reading.seen import Seen


def is_shifted(module: Any, seen: Seen, config: Config, zero: Any) -> bool:
    """Return whether no output depends on its own step, but on earlier ones, and nothing on the last step.

    An output that comes before its step's update is none: the final state has the last step in it.

    zero: a state of zeros, where one can be given
    """
    depends, how = seen.depends, seen.how
    if how["last"] or how.get("input") == "step" or depends.own or depends.forward < 1.0 or not depends.memory:
        return False
    run = runner(module, how, Start(), Sizes(config.input_size, config.hidden_size, config.num_layers, seen.directions))
    x = example(config.input_size, 4)
    state, other = zero if seen.needed else None, torch.cat([x[:-1], 1 - x[-1:]])
    pairs = zip(leaves(run(x, state)), leaves(run(other, state)), strict=True)
    return all(torch.equal(one, moved) for (_, one), (_, moved) in pairs)
