"""Whether training reaches every parameter, except those that act with other options of the call alone."""

from collections.abc import Iterator, Sequence
from itertools import combinations, product
from typing import Any

import torch

from rnncheck.catalog.tools.informative_data import enliven, has_effect, lively
from rnncheck.catalog.tools.training import effect_of_a_step, idle_parameters
from rnncheck.core.observation import Observation, equal
from rnncheck.running.trial import Trial

WITH_OTHERS = "parameters that act with other options alone"
"""The words for them in a report."""
MOST_CHANGES = 2
"""Options that are changed at once to find one with which a parameter acts."""


def trained(t: Trial, as_built: bool = False) -> Observation:
    """Tell which parameters get no gradient from a call, and whether an optimizer step changes the output.

    as_built: with the numbers that the layer draws, as a spectral norm knows them: with others it may saturate
    """
    if not as_built:
        enliven(t, t.layer)
    named = [name for name, p in t.layer.module.named_parameters() if p.requires_grad]
    some_need_not = any(one.neutral is not None for one in t.subject.further)  # as times, by what they are filled with
    ignored = tuple(name for name in named if not has_effect(t, name) or (some_need_not and not acts(t, name)))
    layer, given = t.layer, (*t.leaves, t.as_returned(t.cotangents()))
    idle = t.do(idle_parameters, layer, *given, ignored, doing="running backward")
    if idle != "none" and t.config.named is not None and t.state is not None and t.subject.offers("hx_none"):
        t = t.but(state=None)  # a state that is learned acts where none is given
        idle = t.do(idle_parameters, layer, *t.leaves, t.as_returned(t.cotangents()), ignored, doing="running backward")
    absent, others = acting_elsewhere(t, () if idle == "none" else idle)
    if absent or others:
        given, ignored = (*t.leaves, t.as_returned(t.cotangents())), (*ignored, *absent, *others)
        idle = t.do(idle_parameters, layer, *given, ignored, doing="running backward")
    seen = equal("parameters without a gradient", idle, "none")
    if {*named} - {*absent, *others}:
        seen &= equal("a step", t.do(effect_of_a_step, layer, *t.arguments, doing="calling after a step"), "an effect")
    return seen & equal(WITH_OTHERS, others or "none", "none")


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
    return not acts(trial, name) and any(acts(_with(trial, options), name) for options in _other_options(trial))


def _other_options(trial: Trial) -> Iterator[dict[str, Any]]:
    """Other values of one option, then of two at once."""
    now = dict(trial.config.named.options) if trial.config.named else {}
    others = {name: [value for value in values if value != now[name]] for name, values in trial.subject.choices.items()}
    for count in range(1, MOST_CHANGES + 1):
        for names in combinations(others, count):
            yield from (dict(zip(names, values, strict=True)) for values in product(*(others[name] for name in names)))


def _with(trial: Trial, options: dict[str, Any]) -> Trial:
    """The case with these options, on data on which everything has an effect."""
    assert trial.config.named is not None
    other = lively(Trial(trial.subject, trial.case.but(named=trial.config.named.but_options(**options))))
    enliven(other, other.layer)
    return other
