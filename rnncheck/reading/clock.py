"""Whether a layer counts its steps, as a clockwork network does: it goes on from a state behind some numbers of steps alone."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rnncheck.core.config import Config
from rnncheck.reading.calls.experiment import Sizes, Start, rows_tried, runner
from rnncheck.reading.seen import Seen

STEPS, LONGEST = 16, 8
"""Steps of the sequence that is cut in two, and the longest count that is looked for."""


def clock_of(module: Any, seen: Seen, config: Config, zero: Any) -> int | None:
    """Return the number of steps behind whose multiples the state goes on exactly, where it does not behind one; None if none is.

    The state has to be the last output, and right behind any number of steps: then it is the count alone that a call begins anew.
    A mistake in every second step looks so too: a layer whose equations are known, or that is to agree with another, is not asked.

    zero: a state of zeros, where one can be given
    """
    if not seen.how["given"] or seen.how["states"] is None or seen.how.get("input") == "step" or seen.how["last"]:
        return None
    how, sizes = {**seen.how, "features": None}, Sizes(config.input_size, config.hidden_size, config.num_layers, seen.directions)
    run = runner(module, how, Start(), sizes)
    x = torch.randn(STEPS, rows_tried(), config.input_size, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    try:
        whole, _ = run(x, zero)
        if _same(run(x[1:], run(x[:1], zero)[1])[0], whole[1:]):
            return None
        return next((n for n in range(2, LONGEST + 1) if _counts(run, x, zero, whole, n)), None)
    except Exception:  # it refuses a sequence of this length: no count is known, and it is held to sequences in pieces
        return None


def _counts(run: Callable[..., tuple[Tensor, Any]], x: Tensor, zero: Any, whole: Tensor, count: int) -> bool:
    """Whether any number of steps is right at the beginning, with its state, and all that is behind each multiple of this count."""
    for steps in range(1, len(x)):
        begun, state = run(x[:steps], zero)
        parts = torch.cat(list(torch.cat(state) if isinstance(state, tuple) else state), -1)
        if not (_same(begun, whole[:steps]) and _same(parts, begun[-1])):
            return False
        if steps % count == 0 and not _same(run(x[steps:], state)[0], whole[steps:]):
            return False
    return True


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, atol=1e-9)
