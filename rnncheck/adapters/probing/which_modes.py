"""Which of torch's equations a subject that runs has, if any."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from rnncheck.adapters.cells import Stepwise
from rnncheck.adapters.factory import Constructor
from rnncheck.adapters.probing.constructor_claims import refusal
from rnncheck.adapters.probing.declared_claims import OWN_EQUATIONS
from rnncheck.adapters.probing.ground import Baseline, attempt, ground
from rnncheck.adapters.probing.modes import ELMAN, declared_modes, modes_by_parameters, modes_in
from rnncheck.adapters.probing.parameter_claims import TORCHS
from rnncheck.adapters.probing.settle import reading_of
from rnncheck.adapters.probing.state_as_output import is_an_output
from rnncheck.core.config import Config, Mode
from rnncheck.core.kinds import OF_ITS_OWN, RESET_AFTER, kind_of, modes_by_states
from rnncheck.core.subject import Claim
from rnncheck.reading import Reading
from rnncheck.reading.parameters.parameter_names import own_parameters

TORCHS_NAME = re.compile(r"(weight|bias)_(ih|hh|hr)(_l\d+(_reverse)?)?")


def of_its_mode(found: Baseline) -> Baseline:
    """The same with the subject's modes and the case's mode told apart."""
    reading = reading_of(found.subject)
    arrangement = None if reading is None else reading.arrangement
    modes = (arrangement.mode,) if arrangement is not None else _elman_of(found) or _modes(found)
    if arrangement is not None and kind_of(arrangement.mode).has(RESET_AFTER):
        after = arrangement.reset_after
        found = replace(found, case=found.case.but(mode=arrangement.mode, reset_after=after))
    if not modes or ("parts" in found.subject.nature and not found.subject.of_its_own):
        claims = {**without_equations(found, OWN_EQUATIONS, reading), **_still_declared(found.subject.claims)}
        found = replace(found, subject=replace(found.subject, claims=claims))
        modes = (OF_ITS_OWN[max(1, len(found.state))],)
    config = found.case.config if found.case.config.mode in modes else found.case.config.but(mode=modes[0])
    return replace(found, subject=replace(found.subject, modes=modes), case=found.case.but(config=config))


def _still_declared(claims: Mapping[str, Claim]) -> dict[str, Claim]:
    """The claims without those about torch's equations, which are found not to be its own."""
    return {name: claim for name, claim in claims.items() if name == "last_output" or name not in OWN_EQUATIONS}


def without_equations(found: Baseline, names: Iterable[str], reading: Reading | None) -> dict[str, Claim]:
    """Return the claims about torch's equations of a recurrence that has others; a state that is an output should be the last."""
    why = _matches_none(reading)
    return {name: why for name in names if name != "last_output" or not is_an_output(found)}


def _matches_none(reading: Reading | None) -> Claim:
    """Return why nothing is held against torch's equations, and the one change that would make them match, where it is known."""
    why = "its equations are those of no one layer of torch's, whatever the order of the gates"
    if reading is not None and reading.nearly is not None:
        name = reading.nearly.partition(",")[0]
        asked = f"name {name} with --against" if name.startswith("torch.") else "look at it"
        why += f"; it is {reading.nearly}: {asked} if that is a mistake"
    return Claim(False, "probed", why)


def _elman_of(found: Baseline) -> tuple[Mode, ...]:
    """The subject's modes; of an Elman network's two, those that its constructor offers."""
    modes = found.subject.modes
    return _elman(found) if set(modes) == set(ELMAN) and found.subject.fixed is None else modes


def _modes(found: Baseline) -> tuple[Mode, ...]:
    """The modes of as many states: declared by the module, counted by its parameters, or spoken of by its name.

    Another recurrence has the shapes of the LSTM, if it has two states, and else of the network whose state is not bounded.
    """
    if found.subject.of_its_own:
        return (OF_ITS_OWN[max(1, len(found.state))],)
    module, config = inner_module(found), found.case.config
    by_count = modes_by_parameters(own_parameters(module), config)
    for modes in (declared_modes(module), by_count, modes_in(found.subject.name), modes_in(type(module).__name__)):
        if modes and len(found.state) in (0, len(kind_of(modes[0]).states)):
            return _elman(found) if set(modes) <= set(ELMAN) else modes
    return modes_by_states(2) if len(found.state) == 2 else ()


def _elman(found: Baseline) -> tuple[Mode, ...]:
    """Both modes where nonlinearity can be chosen; else the one that the output shows."""
    build = found.subject.build
    if isinstance(build, Constructor) and build.signature.takes("nonlinearity") != "no":
        tanh, relu = ELMAN
        if refusal(found, found.case.config.but(mode=relu)):
            return (tanh,)
        if build.signature.takes("nonlinearity") == "yes" or not _same_output(found, found.case.config.but(mode=relu)):
            return ELMAN
    positive = isinstance(found.output, Tensor) and bool((found.output >= 0).all())
    return (ELMAN[positive],)


def _same_output(found: Baseline, config: Config) -> bool:
    """Whether a layer of this configuration returns the same output: then an option disappeared in the constructor's **."""
    other, error = attempt(lambda: ground(found.subject, found.case.but(config=config), found.forms))
    return error is None and isinstance(other.output, Tensor) and torch.equal(found.output, other.output)


def inner_module(found: Baseline) -> Any:
    """The module that the subject's author wrote."""
    module = found.layer.module
    return module.cell if isinstance(module, Stepwise) else module


def says_what_it_is(start: Baseline) -> bool:
    """Whether the class or its parameters say that it is torch's RNN, GRU or LSTM; a name alone does not, nor does a class that
    adds parameters to torch's.
    """
    module, said = inner_module(start), getattr(inner_module(start), "rnncheck_mode", None)
    names = own_parameters(module).keys()
    torchs = [name for name in names if TORCHS_NAME.fullmatch(name)]
    more = 0 < len(torchs) < len(names)
    return said is not None or (bool(declared_modes(module) or names >= TORCHS) and not more)
