"""Which states of a typed recurrence come back as None, by experiment: with a value of an option, or a part of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rnncheck.adapters.probing.ground import TIME, attempt, trial_of_ground
from rnncheck.adapters.probing.whole_chunks import one_call_of_each
from rnncheck.adapters.typed import TypedBuild, claims_of
from rnncheck.core.case import Case
from rnncheck.core.subject import Subject
from rnncheck.reading.typed.annotations import Path
from rnncheck.reading.typed.otherwise import carriable

STEPS = (TIME, 64, 96)
"""Numbers of steps, of which the first that a call takes counts."""


@dataclass(frozen=True)
class Nones:
    """What comes back as None.

    whole: states that begin as None, and of which a part is None now and then
    never: values of options with which a state does not come back, and with another value it does
    """

    whole: tuple[str, ...] = ()
    never: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)


def nones_of(subject: Subject) -> Nones:
    """Return what of its states comes back as None; one that does not come back with an option is always asked for."""
    build = subject.build
    if not isinstance(build, TypedBuild) or subject.named is None or not carriable(build.roles):
        return Nones()
    states = {name: {*paths} for name, (_, paths) in carriable(build.roles).items()}
    calls = next((found for time in STEPS if (found := _nones(subject, time))), [])
    gone: dict[str, tuple[Any, ...]] = {}
    for name, values in subject.choices.items():
        lost = [
            value
            for value in values
            if any(paths <= none for case, none in calls if _has(case, name, value) for paths in states.values())
        ]
        if 0 < len(lost) < len(values):
            gone[name] = tuple(lost)
    if gone:
        later = nones_of(with_nones(subject, Nones(never=gone)))
        return Nones(later.whole, {**later.never, **gone})
    return Nones(tuple(name for name, paths in states.items() if any(paths & none for _, none in calls)))


def with_nones(subject: Subject, found: Nones) -> Subject:
    """Return the subject, which carries these states whole, and has no call in which a state does not come back."""
    if (not found.whole and not found.never) or not isinstance(subject.build, TypedBuild):
        return subject
    build = subject.build.with_states_whole(found.whole, found.never)
    said = {name: claim for name, claim in claims_of(build.roles).items() if name in ("hx", "hx_none", "state")}
    return replace(subject, build=build, source=build.source(), read_as=build.roles.words(), named=build.roles.named(),
                   choices=build.roles.choices, claims={**subject.claims, **said})  # fmt: skip


def _has(case: Case, name: str, value: Any) -> bool:
    named = case.config.named
    return named is not None and dict(named.options)[name] == value


def _nones(subject: Subject, time: int) -> list[tuple[Case, set[Path]]]:
    """Calls with each value of each option, and which places of their results are None."""
    found = []
    for case in one_call_of_each(subject, time):
        trial = trial_of_ground(subject, case)
        layer, _ = attempt(trial.build)
        if layer is None:
            continue
        roles, layer.module.own = layer.module.roles, []
        attempt(lambda: trial.call_on(layer))  # noqa: B023
        places = [path for path, _ in roles["outputs"]] + [path for path in roles["finals"] or [] if path is not None]
        if len(layer.module.own) == len(places):
            none = {tuple(path) for path, part in zip(places, layer.module.own, strict=True) if part is None}
            found.append((case, none))
    return found
