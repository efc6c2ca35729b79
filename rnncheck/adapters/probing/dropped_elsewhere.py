"""Whether an option for dropout acts in one layer alone too, as on an embedding, where torch's acts between layers."""

import torch

from rnncheck.adapters.probing.ground import Baseline, attempt, ground
from rnncheck.core.subject import Layer


def drops_elsewhere(start: Baseline) -> bool:
    """Return whether one layer with dropout is random in train(), and without dropout is not."""
    seen, error = attempt(lambda: [_is_random(start, dropout) for dropout in (0.5, 0.0)])
    return error is None and seen == [True, False]


def _is_random(start: Baseline, dropout: float) -> bool:
    """Whether two calls of one layer in train() differ."""
    seen = ground(start.subject, start.case.but(num_layers=1, dropout=dropout, training=True), start.forms)
    x, hx = seen.tensors()
    layer: Layer = seen.layer
    return not torch.equal(*(layer(x, hx)[0] for _ in range(2)))
