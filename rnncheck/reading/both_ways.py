"""Whether a layer reads a sequence in both directions into the same features, by what the parts inside it are given."""

import copy
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

from rnncheck.core.config import Config
from rnncheck.reading.adapted import Adapted
from rnncheck.reading.experiment import quiet
from rnncheck.reading.read import Seen


def is_summed(module: Any, seen: Seen, config: Config, zero: Any) -> bool:
    """Return whether each output depends on each input, and the sequence is read in both directions inside.

    zero: a state of zeros, where one can be given
    """
    whole = seen.directions == 1 and not seen.how["last"] and seen.how.get("input") != "step"
    if not isinstance(module, nn.Module) or not whole:
        return False
    everywhere = max(seen.depends.forward, seen.depends.reverse) < 1.0
    return everywhere and (_has_both(module) or _is_given_both(module, seen, config, zero))


def _has_both(module: nn.Module) -> bool:
    return any(getattr(part, "bidirectional", False) is True for part in module.modules())


def _is_given_both(module: nn.Module, seen: Seen, config: Config, zero: Any) -> bool:
    """Whether one part inside is given what another, or the same one in another call, is given in reverse order of time."""
    module, calls = copy.deepcopy(module), []  # a call may leave something in it
    for part in module.modules():
        if part is not module and not isinstance(part, torch.jit.ScriptModule):
            part.register_forward_pre_hook(lambda part, given: calls.append((part, *given[:1])))
    how, x = seen.how, torch.randn(5, 3, config.input_size, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    called = Adapted(module, config.hidden_size, **how)
    with quiet():
        called(x.transpose(0, 1) if how["batch_first"] else x, zero if seen.needed else None)
    sequences = _sequences([(part, *given) for part, *given in calls if given and isinstance(given[0], Tensor)])
    pairs = ((a, b) for a, b in combinations(sequences, 2) if a.shape == b.shape)
    return any(torch.equal(a.flip(time), b) for a, b in pairs for time in (0, 1))


def _sequences(calls: list[tuple[nn.Module, Tensor]]) -> list[Tensor]:
    """The sequences that parts are given: in one call, or step by step."""
    whole = [given for _, given in calls if given.dim() == 3]
    steps: dict[nn.Module, list[Tensor]] = {}
    for part, given in calls:
        if given.dim() == 2:
            steps.setdefault(part, []).append(given)
    return whole + [torch.stack(given) for given in steps.values() if len({one.shape for one in given}) == 1]
