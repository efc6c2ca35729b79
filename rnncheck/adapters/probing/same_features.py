"""Whether an option for two directions adds them up, in place of torch's two halves of the features."""

import torch
from torch import Tensor

from rnncheck.adapters.probing.ground import Baseline, attempt, ground
from rnncheck.core.subject import Claim

SUMMED = Claim(False, "probed", "with it both directions come back in the same features, where torch puts them side by side")


def are_added(start: Baseline) -> bool:
    """Return whether a bidirectional layer returns as many features as one direction has, and each step depends on both sides."""
    case = start.case.but(bidirectional=True)
    seen, error = attempt(lambda: ground(start.subject, case, start.forms))
    if error is not None or not isinstance(seen.output, Tensor) or seen.output.shape[-1] != case.config.hidden_size:
        return False
    found, error = attempt(lambda: _both_ways(seen, int(case.config.batch_first)))
    return error is None and bool(found)


def _both_ways(seen: Baseline, time: int) -> bool:
    """Whether the last step depends on the first one, and the first one on the last."""
    call, x = seen.function()
    with torch.no_grad():
        before = call(x)
        return all(_moves(call(_changed(x, time, at)), before, time, -1 - at) for at in (0, -1))


def _changed(x: Tensor, time: int, at: int) -> Tensor:
    other = x.clone()
    other.select(time, at).add_(1)
    return other


def _moves(now: Tensor, before: Tensor, time: int, at: int) -> bool:
    return not torch.equal(now.select(time, at), before.select(time, at))
