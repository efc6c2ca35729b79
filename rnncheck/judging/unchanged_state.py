"""Whether parameters have no gradient because no step changes a part of the state, which is zero then."""

import torch

from rnncheck.judging.between_calls import NO_ANSWER, STAYS, generic
from rnncheck.running.trial import Trial

ABOUT = ("weights.trainable", "weights.blocks", "gradient.every_output")
"""Properties that a state that stays zero breaks."""


def unchanged_state(trial: Trial) -> str | None:
    """Return which of two states comes back as it was given, and acts, where all rows of all parameters have gradients once it is
    another one than zeros, and not before.
    """
    if trial.lengths is not None or trial.subject.named is not None or not trial.subject.offers("hx"):
        return None
    try:
        t = generic(trial)
        pairs = zip(t.run.state, t.given_state, strict=True)
        stays = [letter for letter, (new, old) in zip("hc", pairs, strict=False) if torch.equal(new, old)]
        if len(t.given_state) != 2 or len(stays) != 1:
            return None
        return STAYS.format(stays[0]) if _is_trained(t) and not _is_trained(t.but(state=t.zero_state())) else None
    except NO_ANSWER:
        return None


def _is_trained(t: Trial) -> bool:
    """Whether each row of each parameter has a gradient."""
    found = t.gradients(t.cotangents())
    own = [found.get(name) for name, p in t.layer.parameters().items() if p.requires_grad]
    return all(g is not None and bool((g != 0).reshape(len(g), -1).any(1).all()) for g in own)
