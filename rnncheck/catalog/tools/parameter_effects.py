"""Whether a parameter changes the results at all, and whether it does so with other options of the call."""

from collections.abc import Sequence
from itertools import islice, product
from typing import Any

import torch

from rnncheck.catalog.tools.informative_data import enliven, lively
from rnncheck.running.trial import Trial

MOST_OPTIONS = 24
"""Combinations of options that are tried."""


@torch.no_grad()
def acts(trial: Trial, name: str) -> bool:
    """Return whether a parameter of the module changes the results."""
    p = dict(trial.layer.module.named_parameters()).get(name)
    if p is None:
        return False
    before, value = dict(trial.run_on(trial.layer).parts()), p.detach().clone()
    p.mul_(1 + 2.0**-20).add_(2.0**-20)
    after = dict(trial.run_on(trial.layer).parts())
    p.copy_(value)
    return not all(torch.equal(after[what], part) for what, part in before.items())


def acting_elsewhere(trial: Trial, idle: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return which of these parameters act on nothing here: those that do where all arguments are given, and with other options."""
    absent = [name for name in idle if _with_all_given(trial, name)]
    return absent, [name for name in idle if name not in absent and _with_other_options(trial, name)]


def _with_all_given(trial: Trial, name: str) -> bool:
    options = trial.config.named.options if trial.config.named else ()
    given = {option: "given" for option, value in options if value == "left out"}
    return bool(given) and not acts(trial, name) and acts(_with(trial, given), name)


def _with_other_options(trial: Trial, name: str) -> bool:
    choices = trial.subject.choices if trial.config.named else {}
    combined = islice(product(*choices.values()), MOST_OPTIONS)
    others = (_with(trial, dict(zip(choices, values, strict=True))) for values in combined)
    return bool(choices) and not acts(trial, name) and any(acts(other, name) for other in others)


def _with(trial: Trial, options: dict[str, Any]) -> Trial:
    """The case with these options, on data on which everything has an effect."""
    assert trial.config.named is not None
    other = lively(Trial(trial.subject, trial.case.but(named=trial.config.named.but_options(**options))))
    enliven(other, other.layer)
    return other
