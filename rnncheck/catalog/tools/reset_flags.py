"""Flags of a typed recurrence that say where its state is forgotten, raised where a check wants them."""

from collections.abc import Mapping

import torch

from rnncheck.core.named import NamedTensor
from rnncheck.running.trial import Trial


def flags_of(trial: Trial) -> list[NamedTensor]:
    """The sequences of the case that are reset flags."""
    named = trial.config.named
    return [one for one in named.given_sequences if one.resets] if named else []


def raised(trial: Trial, steps: Mapping[int, int | list[int]]) -> Trial:
    """The case with flags that make these rows forget before these steps alone."""
    x = trial.x.clone()
    for flags in flags_of(trial):
        place = trial.config.named.place(flags)  # type: ignore[union-attr]
        x[..., place] = 0.0
        for row, at in steps.items():
            x[torch.tensor(at, dtype=torch.long) - int(flags.resets == "after"), row, place] = 2.0
    return trial.but(x=x)
